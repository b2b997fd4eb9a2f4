// A transport for @sentry/node that writes error events, transactions and spans straight into Kafka.
//
//   import * as Sentry from "@sentry/node";
//   import { makeKafkaTransport } from "aftershock-transport";
//
//   Sentry.init({
//     dsn: "https://00000000000000000000000000000001@kafka.invalid/1",
//     transport: makeKafkaTransport({ servers: ["127.0.0.1:9092"], project: "shop" }),
//   });

import { messagesOf } from "./messages.js";
import { Outbox } from "./outbox.js";

const WARNING_MS = 60_000; // at most one warning in this time, however many events are lost

const CATEGORIES = { session: "session", sessions: "session", log: "log_item", check_in: "monitor", feedback: "feedback",
  attachment: "attachment", profile: "profile", profile_chunk: "profile_chunk", replay_event: "replay" };

/**
 * Returns what `Sentry.init` takes as `transport`.
 *
 * @param {object} options
 * @param {string[]} options.servers bootstrap servers, `host:port` each.
 * @param {string} [options.project] the header `project`; without it, the project at the end of the DSN.
 * @param {string} [options.topicPrefix] put before both topic names.
 * @param {number} [options.maxEvents] the most messages that wait; further ones are dropped and counted.
 * @param {number} [options.maxBytes] the most bytes that wait.
 * @param {number} [options.maxEventBytes] the largest message; larger ones are dropped and counted.
 * @param {number} [options.maxAgeMs] how long a message is tried for.
 * @param {number} [options.exitMs] how long the end of the process waits for Kafka.
 * @param {object} [options.client] further options of @platformatic/kafka's Producer, such as `sasl` and `tls`; they
 *   go to another thread, so they can hold no functions.
 */
export function makeKafkaTransport(options) {
  return (sdk) => new KafkaTransport(options, sdk);
}

class KafkaTransport {
  #options;
  #headers;
  #lost = new Map();
  #unreported = 0;
  #warnedAt = -Infinity;
  #outbox;

  constructor(options, sdk) {
    const { topicPrefix = "", maxEvents = 10_000, maxBytes = 32 << 20, maxEventBytes = 2 << 20,
      exitMs = 2000 } = options;
    this.#options = { topicPrefix, maxEvents, maxBytes, maxEventBytes, exitMs };
    const project = options.project ?? /\/api\/([^/]+)\/envelope/.exec(sdk.url ?? "")?.[1];
    this.#headers = { "content-type": "application/json", ...(project && { project: String(project) }) };
    this.#outbox = new Outbox(
      { servers: options.servers, maxAgeMs: options.maxAgeMs ?? 300_000, client: options.client ?? {} },
      (losses, reason) => this.#lose(losses, reason),
    );
    process.on("beforeExit", () => this.#end());
  }

  /** Puts the envelope's events, transactions and spans into the buffer and returns at once. Never throws. */
  send(envelope) {
    try {
      const { messages, others } = messagesOf(envelope);
      for (const message of messages) this.#put(message);
      for (const item of others) this.#setAside(item);
    } catch {
      for (const [header] of envelope[1]) this.#lose([[categoryOf(header.type), 1]], "internal_sdk_error");
    }
    return Promise.resolve({});
  }

  /** Waits for Kafka's acknowledgements, as long as it is told to; resolves to whether all came. */
  flush(timeout = this.#options.exitMs) {
    return this.#outbox.flush(timeout);
  }

  /** What was captured and did not reach Kafka: quantities by "category/reason", in the words of client reports. */
  get lost() {
    return Object.fromEntries(this.#lost);
  }

  /** How many messages Kafka has acknowledged. */
  get delivered() {
    return this.#outbox.delivered;
  }

  /** How many messages wait for Kafka's acknowledgement. */
  get pending() {
    return this.#outbox.pending;
  }

  #put({ topic, key, value, losses }) {
    const { topicPrefix, maxEvents, maxBytes, maxEventBytes } = this.#options;
    const bytes = Buffer.byteLength(value);
    if (bytes > maxEventBytes) {
      this.#lose(losses, "send_error");
    } else if (this.#outbox.pending >= maxEvents || this.#outbox.bytes + bytes > maxBytes) {
      this.#lose(losses, "queue_overflow");
    } else {
      this.#outbox.put({ topic: topicPrefix + topic, key, value, headers: this.#headers }, bytes, losses);
    }
  }

  #setAside([header, payload]) {
    if (header.type === "client_report") {
      // What the SDK itself has dropped.
      for (const { reason, category, quantity } of payload.discarded_events ?? []) {
        this.#count(category, reason, quantity);
      }
    } else {
      this.#count(categoryOf(header.type), "unsupported", 1);
    }
  }

  #lose(losses, reason) {
    for (const [category, quantity] of losses) this.#count(category, reason, quantity);
    this.#unreported += 1;
    if (performance.now() - this.#warnedAt >= WARNING_MS) this.#warn(reason);
  }

  #count(category, reason, quantity) {
    const name = `${category}/${reason}`;
    this.#lost.set(name, (this.#lost.get(name) ?? 0) + quantity);
  }

  #warn(reason) {
    process.emitWarning(`${this.#unreported} event(s) did not reach Kafka (${reason})`, "AftershockTransport");
    this.#unreported = 0;
    this.#warnedAt = performance.now();
  }

  async #end() {
    // Whatever is waited for here makes Node ask again when it is done, so there must be an end to it.
    if (this.#outbox.pending && !(await this.flush())) this.#outbox.abandon();
  }
}

function categoryOf(type) {
  return { event: "error", transaction: "transaction", span: "span", ...CATEGORIES }[type] ?? "default";
}
