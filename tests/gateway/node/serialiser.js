// The SDK's own serialiser, both ways: reads cases as JSON from standard input, writes the results as JSON.
//
// {"write": [{"header": {…}, "items": [[{…}, {"json": …} | {"base64": "…"}]]}], "read": ["base64 of an envelope"]}
"use strict";

const { createEnvelope, parseEnvelope, serializeEnvelope } = require("@sentry/core");

const { write, read } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));

function payloadOf(described) {
  return "base64" in described ? new Uint8Array(Buffer.from(described.base64, "base64")) : described.json;
}

const written = write.map(({ header, items }) => {
  const made = items.map(([own, payload]) => [own, payloadOf(payload)]);
  return Buffer.from(serializeEnvelope(createEnvelope(header, made))).toString("base64");
});

const found = read.map((body) => {
  const [header, items] = parseEnvelope(new Uint8Array(Buffer.from(body, "base64")));
  return {
    header,
    items: items.map(([own, payload]) => [
      own.type,
      payload instanceof Uint8Array ? { base64: Buffer.from(payload).toString("base64") } : { json: payload },
    ]),
  };
});

process.stdout.write(JSON.stringify({ written, found }));
