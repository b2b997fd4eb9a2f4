// Captures as many errors as it is told to, a few at a time: node many.js SERVERS PREFIX COUNT MILLISECONDS OPTIONS
// Prints, when it ends, the ids and what the transport counted, as JSON.
import { setTimeout as sleep } from "node:timers/promises";

import * as Sentry from "@sentry/node";
import { makeKafkaTransport } from "aftershock-transport";

const [servers, topicPrefix, count, pause, options] = process.argv.slice(2);
Sentry.init({
  dsn: "https://00000000000000000000000000000001@kafka.invalid/42",
  transport: makeKafkaTransport({ servers: [servers], topicPrefix, ...JSON.parse(options) }),
  sendClientReports: false,
});
const ids = [];
let slowest = 0;
for (let turn = 0; turn < Number(count); turn += 1) {
  const begun = performance.now();
  ids.push(Sentry.captureException(new Error(`turn ${turn}`)));
  slowest = Math.max(slowest, performance.now() - begun);
  await sleep(Number(pause));
}
const transport = Sentry.getClient().getTransport();
process.on("exit", () => {
  const { lost, delivered, pending } = transport;
  console.log(JSON.stringify({ ids, lost, delivered, pending, slowest }));
});
