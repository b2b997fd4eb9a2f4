// A program that fails, under the real SDK: KAFKA=127.0.0.1:9092 node example.js
import * as Sentry from "@sentry/node";
import { makeKafkaTransport } from "aftershock-transport";

Sentry.init({
  // The SDK wants a DSN before it uses a transport; nothing is ever sent to it.
  dsn: "https://00000000000000000000000000000001@kafka.invalid/1",
  transport: makeKafkaTransport({
    servers: process.env.KAFKA.split(","),
    project: "shop",
    topicPrefix: process.env.TOPIC_PREFIX ?? "",
  }),
  release: "shop@1.4.2",
  environment: "production",
  tracesSampleRate: 1.0,
});

function charge(order) {
  return order.lines.map((line) => line.price.amount);
}

Sentry.setUser({ id: "42" });
Sentry.setTag("region", "eu");
Sentry.startSpan({ name: "checkout", op: "task" }, () => {
  try {
    charge({ lines: [{}] });
  } catch (error) {
    console.log(Sentry.captureException(error));
  }
});

// At the end of the program: wait for Kafka, but not for ever. Without this line it waits for two seconds.
await Sentry.close(10_000);
