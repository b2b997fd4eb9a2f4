"use strict";

const Sentry = require("@sentry/node");

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  environment: process.env.SHOP_ENVIRONMENT || "production",
  release: "shop@2.3.1",
  tracesSampleRate: 1.0,
});
