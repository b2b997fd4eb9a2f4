// Starts the SDK with a transport that writes every payload to a file instead of sending it.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const Sentry = require("@sentry/node");

const directory = process.env.CAPTURE_TO || "captured";
const topics = { event: "errors", transaction: "spans", span: "spans" };
const names = {};

// Names the next payload of each topic; payloads without a name are not kept.
function expect({ errors, spans }) {
  names.errors = errors;
  names.spans = spans;
}

function write(topic, name, payload) {
  const target = path.join(directory, topic, `${name}.json`);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, JSON.stringify(payload, null, 1) + "\n");
}

function record(envelope, sdk) {
  for (const [header, payload] of envelope[1]) {
    const topic = topics[header.type];
    const name = topic && names[topic];
    const value = typeof payload === "string" ? JSON.parse(payload) : payload;
    // Of a batch of spans, the root one.
    const kept = header.type === "span" ? value.items.find((span) => span.is_segment) : value;
    if (name && kept) {
      names[topic] = undefined;
      write(topic, `${sdk}-${name}`, kept);
    }
  }
}

function start(options = {}) {
  Sentry.init({
    dsn: "https://key@errors.example.com/1",
    release: "shop-api@2.3.1",
    environment: "production",
    serverName: "api-1",
    tracesSampleRate: 1.0,
    transport: () => ({
      send: async (envelope) => (record(envelope, "node"), {}),
      flush: async () => true,
    }),
    ...options,
  });
  return Sentry;
}

module.exports = { expect, record, start };
