// A Node program that fails, under the real SDK: `node shop.js DSN`. Prints the id of what it captured, as JSON.
"use strict";

const Sentry = require("@sentry/node");

Sentry.init({
  dsn: process.argv[2],
  release: "shop@2.3.1",
  environment: "staging",
  tracesSampleRate: 1.0,
});

function charge(order, turn) {
  return order.lines.map((line) => line.price[`amount${turn}`]);
}

async function main() {
  const ids = [];
  Sentry.setUser({ id: "user-9" });
  Sentry.setTag("region", "eu");
  Sentry.setContext("basket", { items: 4 });
  Sentry.addBreadcrumb({ message: "about to pay" });
  for (let turn = 0; turn < Number(process.argv[3] || 1); turn += 1) {
    try {
      charge({ lines: [{}] }, turn);
    } catch (error) {
      // Different messages each time, of the cause too, or the SDK would leave out what it has just sent.
      ids.push(Sentry.captureException(new Error(`turn ${turn}`, { cause: error })));
    }
    await Sentry.flush(5000);
  }
  await Sentry.startSpan({ name: "checkout", op: "task" }, async () => {
    await Sentry.startSpan({ name: "charge", op: "payment" }, async () => {});
  });
  await Sentry.flush(5000);
  process.stdout.write(JSON.stringify(ids));
}

main();
