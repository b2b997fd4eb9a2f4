import * as Sentry from "@sentry/nextjs";

export function register() {
  Sentry.init({
    dsn: process.env.SENTRY_DSN,
    environment: "production",
    release: "shop-next@4.0.0",
    tracesSampleRate: 1.0,
  });
}

export const onRequestError = Sentry.captureRequestError;
