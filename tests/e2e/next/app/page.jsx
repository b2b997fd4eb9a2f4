"use client";

import * as Sentry from "@sentry/nextjs";

function book() {
  Sentry.setUser({ id: "user-12" });
  Sentry.setTag("cabin", "economy");
  throw new RangeError("no more seats");
}

export default function Page() {
  return (
    <button id="book" onClick={book}>
      book
    </button>
  );
}
