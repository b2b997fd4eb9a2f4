"use strict";

// node main.js OUTPUT SEED: fail in every way once; each failure is one JSON line.
const fs = require("node:fs");
const Sentry = require("@sentry/node");
const { BUGS } = require("./shop.js");

const [output, seedText] = process.argv.slice(2);
const seed = Number(seedText);
let bug = "";

Sentry.init({
  dsn: "http://key@localhost/1",
  release: `shop@${seed}`,
  beforeSend(event) {
    fs.appendFileSync(output, JSON.stringify({ bug, event }) + "\n");
    return null;
  },
});

async function main() {
  for (const [name, run] of Object.entries(BUGS)) {
    bug = name;
    try {
      await run(seed);
    } catch (error) {
      Sentry.captureException(error);
    }
    await Sentry.flush(1000);
  }
  bug = "message";
  Sentry.captureMessage(`Nightly job ${seed} finished with ${seed * 3} errors`);
  await Sentry.flush(1000);
}

main();
