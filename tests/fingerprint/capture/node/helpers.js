"use strict";

function priceOf(order) {
  return order.price.amount;
}

class Stock {
  constructor(seed) {
    this.seed = seed;
  }

  take() {
    return this.items.pop();
  }

  static open(seed) {
    throw new RangeError(`stock ${seed} is closed`);
  }

  get size() {
    return this.entries.length;
  }

  async reserve() {
    await null;
    throw new Error(`stock ${this.seed} cannot be reserved`);
  }
}

function walk(node, depth) {
  if (depth === 0) throw new RangeError(`leaf of ${node}`);
  return depth % 2 ? walkLeft(node, depth - 1) : walk(node, depth - 1);
}

function walkLeft(node, depth) {
  return walk(node, depth);
}

module.exports = { priceOf, Stock, walk };
