"use strict";

const fs = require("node:fs");
const { EventEmitter } = require("node:events");
const { priceOf, Stock, walk } = require("./helpers.js");

class OrderError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "OrderError";
  }
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function load(seed) {
  await sleep(seed % 3);
  throw new OrderError(`order ${seed} could not be loaded`);
}

async function loadThrough(seed) {
  return await load(seed);
}

async function loadElsewhere(seed) {
  return await load(seed);
}

const BUGS = {
  priceInCart: (seed) => cart(seed),
  priceInInvoice: (seed) => invoice(seed),
  notAFunction: (seed) => ship({ seed }),
  notDefined: () => undefinedName + 1,
  method: (seed) => new Stock(seed).take(),
  staticMethod: (seed) => Stock.open(seed),
  getter: (seed) => new Stock(seed).size,
  asyncMethod: async (seed) => await new Stock(seed).reserve(),
  inMap: (seed) => [seed].map((number) => number.name.length),
  inForEach: (seed) => [seed].forEach((number) => number.title.length),
  badJson: (seed) => JSON.parse(`{"id": ${seed},, }`),
  missingFile: (seed) => fs.readFileSync(`/nowhere/${seed}/orders.json`),
  missingFileLater: async (seed) => await fs.promises.readFile(`/nowhere/${seed}/orders.json`),
  asyncThrough: async (seed) => await loadThrough(seed),
  asyncElsewhere: async (seed) => await loadElsewhere(seed),
  all: async (seed) => await Promise.all([sleep(1), load(seed)]),
  any: async (seed) => await Promise.any(Array.from({ length: 1 + (seed % 3) }, () => load(seed))),
  fetchRefused: async (seed) => await fetch(`http://127.0.0.1:9/orders/${seed}`),
  cause: (seed) => wrap(seed),
  walk: (seed) => walk(seed, 3 + (seed % 7)),
  overflow: (seed) => ping(seed),
  evaluated: (seed) => new Function("seed", "throw new EvalError('late ' + seed)")(seed),
  generator: (seed) => [...numbers(seed)],
  emitter: (seed) => emit(seed),
  timer: (seed) => new Promise((_resolve, reject) => setTimeout(() => fail(seed, reject), 1)),
  thrownText: (seed) => {
    throw `plain text ${seed}`;
  },
  thrownObject: (seed) => {
    throw { code: seed, reason: "limit" };
  },
};

function cart(seed) {
  return priceOf({ seed });
}

function invoice(seed) {
  return priceOf({ seed });
}

function ship(order) {
  return order.deliver(order.seed);
}

function wrap(seed) {
  try {
    return priceOf({ seed });
  } catch (error) {
    throw new OrderError(`order ${seed} has no price`, { cause: error });
  }
}

function ping(seed) {
  return pong(seed + 1) + 1;
}

function pong(seed) {
  return ping(seed + 1) + 1;
}

function* numbers(seed) {
  yield seed;
  throw new OrderError(`no more after ${seed}`);
}

function emit(seed) {
  const emitter = new EventEmitter();
  emitter.on("paid", (order) => {
    throw new OrderError(`paid twice: ${order}`);
  });
  emitter.emit("paid", seed);
}

function fail(seed, reject) {
  try {
    throw new OrderError(`timer ${seed}`);
  } catch (error) {
    reject(error);
  }
}

module.exports = { BUGS };
