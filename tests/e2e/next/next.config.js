const { withSentryConfig } = require("@sentry/nextjs/config");

module.exports = withSentryConfig({}, { silent: true, telemetry: false, sourcemaps: { disable: true } });
