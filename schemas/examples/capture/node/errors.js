// Errors as plain Node programs make them. `node errors.js` writes all but the fatal ones, which each end a process.
"use strict";

const { expect, start } = require("./recorder");

const Sentry = start();

class PaymentError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "PaymentError";
  }
}

function total(order) {
  return order.lines.reduce((sum, line) => sum + line.price.amount * line.quantity, 0);
}

function charge(order) {
  try {
    return total(order);
  } catch (error) {
    throw new PaymentError(`order ${order.id} cannot be charged`, { cause: error });
  }
}

async function rates(currency) {
  await new Promise((resolve) => setImmediate(resolve));
  throw new TypeError(`no rate for ${currency}`);
}

async function capture(name, action) {
  expect({ errors: name });
  try {
    await action();
  } catch (error) {
    Sentry.captureException(error);
  }
  await Sentry.flush(2000);
}

async function main() {
  const order = { id: 4711, lines: [{ sku: "SKU-1001", quantity: 2 }] };
  await capture("type-error", () => total(order));
  await capture("cause", () => charge(order));
  await capture("async", () => rates("XXX"));
  await capture("aggregate-error", () => Promise.any([rates("XXX"), rates("YYY")]));
  await capture("json-parse", () => JSON.parse('{"price": 19.99,}'));

  await capture("user-and-breadcrumbs", async () => {
    Sentry.addBreadcrumb({ category: "cart", message: "3 lines reserved", level: "info" });
    Sentry.addBreadcrumb({ category: "mail", message: "receipt for ada@example.com queued", level: "info" });
    Sentry.setUser({ id: "7781", email: "ada@example.com", ip_address: "203.0.113.24" });
    Sentry.setTags({ store: "eu", "payment.provider": "pay.example.com" });
    Sentry.setContext("order", { id: 4711, card: "4111 1111 1111 1111" });
    charge(order);
  });

  expect({ errors: "message" });
  Sentry.captureMessage("Stock of SKU-1001 is down to 3 pieces", "warning");
  await Sentry.flush(2000);
}

async function fatal(kind) {
  expect({ errors: kind });
  if (kind === "unhandled-rejection") {
    Promise.reject(new PaymentError("card expired for order 4711"));
  } else {
    setTimeout(() => total({ id: 1 }), 0);
  }
}

const kind = process.argv[2];
if (kind) {
  fatal(kind);
} else {
  main();
}
