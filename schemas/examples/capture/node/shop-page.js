// The page that browser.js loads: a shop's cart under the browser SDK.
import * as Sentry from "@sentry/browser";

Sentry.init({
  dsn: "https://key@errors.example.com/2",
  release: "shop-web@7.1.0",
  environment: "production",
  beforeSend: withoutHostFrames,
  transport: () => ({
    send: async (envelope) => (window.record(envelope), {}),
    flush: async () => true,
  }),
});
Sentry.setUser({ id: "7781", email: "ada@example.com" });

// jsdom's page runs inside Node, whose task queue shows at the bottom of a stack; no browser has such a frame.
function withoutHostFrames(event) {
  for (const { stacktrace } of event.exception.values) {
    stacktrace.frames = stacktrace.frames.filter((frame) => !frame.filename.startsWith("node:"));
  }
  return event;
}

function lineTotal(line) {
  return line.price.amount * line.quantity;
}

function cartTotal(cart) {
  return cart.lines.map(lineTotal).reduce((sum, value) => sum + value, 0);
}

// After an await, the stack holds none of jsdom's own frames.
async function pay(cart) {
  await null;
  return cartTotal(cart);
}

document.querySelector("#pay").addEventListener("click", async () => {
  try {
    await pay({ lines: [{ sku: "SKU-1001", quantity: 2 }] });
  } catch (error) {
    Sentry.captureException(error, { tags: { endpoint: "/api/cart" } });
  }
});
