import * as Sentry from "@sentry/nextjs";

export const dynamic = "force-dynamic";

export function GET() {
  Sentry.setUser({ id: "user-13" });
  Sentry.setTag("cabin", "business");
  Sentry.setContext("flight", { number: 8 });
  throw new TypeError("the server broke");
}
