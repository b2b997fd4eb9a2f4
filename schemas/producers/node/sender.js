// The thread that sends: one batch after the other, each until Kafka has acknowledged it or it has become too old.
//
// The producer is idempotent and retries by itself, so that a lost acknowledgement makes no duplicates. When it fails
// for good, its place in Kafka's sequence is lost with it: a new one goes on with the next batch.

import { parentPort, workerData } from "node:worker_threads";

import { Producer, stringSerializers } from "@platformatic/kafka";

const MOST_MESSAGES = 500;
const MOST_CHARACTERS = 1 << 20;
const LINGER_MS = 20;
const RETRY_MS = 500;

const { servers, maxAgeMs, client } = workerData;
const queue = [];
let producer;
let sending = false;

parentPort.on("message", (message) => {
  queue.push({ ...message, until: Date.now() + maxAgeMs });
  if (!sending) {
    sending = true;
    setTimeout(sendAll, LINGER_MS);
  }
});

async function sendAll() {
  while (queue.length) {
    const batch = nextBatch();
    parentPort.postMessage({ count: batch.length, reason: await send(batch) });
  }
  sending = false;
}

function nextBatch() {
  let characters = 0;
  let count = 0;
  while (count < Math.min(queue.length, MOST_MESSAGES) && (characters += queue[count].value.length) <= MOST_CHARACTERS) {
    count += 1;
  }
  return queue.splice(0, Math.max(count, 1));
}

/** Sends a batch; returns why it was given up, undefined once Kafka has it. */
async function send(batch) {
  const left = batch[0].until - Date.now();
  if (left <= 0) return "network_error";
  producer ??= connect();
  let timer;
  const expired = new Promise((resolve) => {
    timer = setTimeout(resolve, left, "network_error");
  });
  const messages = batch.map(({ until, ...message }) => message);
  const reason = await Promise.race([producer.send({ messages }).then(() => undefined, () => "send_error"), expired]);
  clearTimeout(timer);
  if (reason) {
    producer.close(true).catch(() => {});
    producer = undefined;
  }
  return reason;
}

function connect() {
  const made = new Producer({
    clientId: "aftershock-transport",
    bootstrapBrokers: servers,
    serializers: stringSerializers,
    idempotent: true,
    compression: "lz4",
    retryDelay: RETRY_MS,
    autocreateTopics: false,
    ...client,
  });
  made.on("error", () => {});
  return made;
}
