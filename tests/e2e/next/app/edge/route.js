import * as Sentry from "@sentry/nextjs";

export const runtime = "edge";

export async function GET() {
  Sentry.setUser({ id: "user-14" });
  Sentry.setTag("cabin", "first");
  Sentry.setContext("flight", { number: 9 });
  Sentry.captureException(new SyntaxError("the edge broke"));
  await Sentry.flush(2000);
  return new Response("sorry", { status: 500 });
}
