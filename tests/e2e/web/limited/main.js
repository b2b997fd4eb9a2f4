import * as Sentry from "@sentry/browser";

Sentry.init({
  dsn: import.meta.env.VITE_SENTRY_DSN,
  environment: import.meta.env.MODE,
  release: "kiosk@1.0.0",
  tracesSampleRate: 1.0,
});

// What the SDK is told of each error; nothing of those that it keeps to itself.
window.told = [];
Sentry.getClient().on("afterSendEvent", (event, answer) => event.exception && window.told.push(answer));

let failures = 0;
window.pressed = 0;
const acts = {
  fail: () => Sentry.captureException(new Error(`failure ${++failures}`)),
  work: () => Sentry.startSpan({ name: "work", op: "task" }, () => {}),
  tell: () => Sentry.captureFeedback({ message: "it fails" }),
};
for (const [id, act] of Object.entries(acts)) {
  document.getElementById(id).addEventListener("click", async () => {
    act();
    await Sentry.flush();
    window.pressed += 1;
  });
}
