// The buffer between the application and Kafka. Sending, retrying and compressing happen in a thread of its own, so
// they never hold up the application's event loop, and what fails there cannot end the application.

import { Worker } from "node:worker_threads";

const SENDER = new URL("./sender.js", import.meta.url);

export class Outbox {
  #settings;
  #onLost;
  #waiting = []; // in the order in which they were put: the sender settles them in that order
  #worker;
  #idle = [];
  bytes = 0;
  delivered = 0;

  /**
   * @param {{servers: string[], maxAgeMs: number, client: object}} settings what the sender needs.
   * @param {(losses: [string, number][], reason: string) => void} onLost called for each message that was given up.
   */
  constructor(settings, onLost) {
    this.#settings = settings;
    this.#onLost = onLost;
  }

  get pending() {
    return this.#waiting.length;
  }

  /** Takes a message and returns at once; the caller keeps the bounds. */
  put(message, bytes, losses) {
    this.#worker ??= this.#start();
    this.#waiting.push({ bytes, losses });
    this.bytes += bytes;
    this.#worker.postMessage(message);
  }

  /** Resolves to true once nothing waits, to false after so many milliseconds. Keeps the process alive meanwhile. */
  flush(milliseconds) {
    if (!this.pending) return Promise.resolve(true);
    this.#worker.ref();
    return new Promise((resolve) => {
      const end = (done) => {
        clearTimeout(timer);
        this.#idle = this.#idle.filter((one) => one !== end);
        if (!this.#idle.length) this.#worker?.unref();
        resolve(done);
      };
      const timer = setTimeout(end, milliseconds, false);
      this.#idle.push(end);
    });
  }

  /** Gives up everything that waits. */
  abandon(reason = "network_error") {
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.terminate();
    this.#settle(this.pending, reason);
  }

  #start() {
    const worker = new Worker(SENDER, {
      workerData: this.#settings,
      // Or what the application is started with (--import ./instrument.js) would run in that thread as well.
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: "" },
      name: "aftershock-transport",
    });
    worker.on("message", ({ count, reason }) => this.#settle(count, reason));
    worker.on("error", () => this.#worker === worker && this.abandon("internal_sdk_error"));
    worker.on("exit", () => this.#worker === worker && this.abandon("internal_sdk_error"));
    worker.unref(); // after the listeners, which would keep the process alive
    return worker;
  }

  #settle(count, reason) {
    for (const { bytes, losses } of this.#waiting.splice(0, count)) {
      this.bytes -= bytes;
      if (reason) this.#onLost(losses, reason);
      else this.delivered += 1;
    }
    if (!this.pending) for (const end of [...this.#idle]) end(!reason);
  }
}
