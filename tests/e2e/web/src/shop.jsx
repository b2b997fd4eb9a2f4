import * as Sentry from "@sentry/react";
import { useState } from "react";

function Basket({ lines }) {
  return <output>{lines.map((line) => line.price.amount)}</output>;
}

async function fromAbove() {
  throw new RangeError("nobody catches this");
}

export function Shop() {
  const [open, setOpen] = useState(false);
  return (
    <main>
      <button id="order" onClick={() => fetch("/orders/6")}>
        order
      </button>
      <button id="offline" onClick={() => fetch(import.meta.env.VITE_NOWHERE)}>
        a server that is down
      </button>
      <button id="reject" onClick={fromAbove}>
        reject
      </button>
      <button id="feedback" onClick={() => Sentry.captureFeedback({ name: "Ada", message: "the basket is broken" })}>
        feedback
      </button>
      <button id="basket" onClick={() => setOpen(true)}>
        basket
      </button>
      <Sentry.ErrorBoundary fallback={<p id="sorry">sorry</p>}>{open && <Basket lines={[{}]} />}</Sentry.ErrorBoundary>
    </main>
  );
}
