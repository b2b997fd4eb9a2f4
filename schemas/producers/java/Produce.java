import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Reports an error to Aftershock, straight into Kafka: {@code KAFKA=127.0.0.1:9092 java -cp 'lib/*' Produce.java}. */
public class Produce {

  /** Waits for all replicas, is idempotent and retries for up to five minutes. */
  static Producer<String, String> connect(String servers) {
    Map<String, Object> settings = Map.of(
        "bootstrap.servers", servers,
        "acks", "all",
        "enable.idempotence", true,
        "compression.type", "lz4",
        "linger.ms", 20,
        "delivery.timeout.ms", 300_000,
        "buffer.memory", 32 << 20,
        "max.request.size", 2 << 20,
        // How long send() may hold up its caller while Kafka is not connected yet or the buffer is full; the default is
        // a minute. Where even that is too long, send from a thread of its own.
        "max.block.ms", 10_000);
    return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
  }

  /** Buffers an event and returns its id. */
  static String report(Producer<String, String> producer, Throwable failure) {
    String id = UUID.randomUUID().toString().replace("-", "");
    String event = """
        {"event_id": %s, "timestamp": %s, "platform": "java", "level": "error", "release": "shop@1.4.2",
         "environment": "production", "user": {"id": "42"}, "tags": {"region": "eu"},
         "exception": {"values": [%s]}}"""
        .formatted(quoted(id), quoted(Instant.now().toString()), exceptions(failure));
    var record = new ProducerRecord<>(topic("errors"), id, event);
    record.headers().add("project", "shop".getBytes());
    try {
      producer.send(record, (metadata, error) -> {
        if (error != null) System.err.println("not reported: " + error.getClass().getName());
      });
    } catch (RuntimeException error) {
      System.err.println("not reported: " + error.getClass().getName());
    }
    return id;
  }

  /** The exception and what caused it; the cause comes first. */
  static String exceptions(Throwable failure) {
    String own = """
        {"type": %s, "module": %s, "value": %s, "stacktrace": {"frames": [%s]}}"""
        .formatted(
            quoted(failure.getClass().getSimpleName()),
            quoted(failure.getClass().getPackageName()),
            quoted(String.valueOf(failure.getMessage())),
            frames(failure.getStackTrace()));
    return failure.getCause() == null ? own : exceptions(failure.getCause()) + ", " + own;
  }

  /** The frames, oldest call first. */
  static String frames(StackTraceElement[] stack) {
    return IntStream.rangeClosed(1, stack.length)
        .mapToObj(number -> stack[stack.length - number])
        .map(frame -> """
            {"module": %s, "function": %s, "filename": %s, "lineno": %d, "in_app": %b}"""
            .formatted(
                quoted(frame.getClassName()),
                quoted(frame.getMethodName()),
                quoted(String.valueOf(frame.getFileName())),
                Math.max(frame.getLineNumber(), 0),
                Stream.of("java.", "jdk.", "sun.").noneMatch(frame.getClassName()::startsWith)))
        .collect(Collectors.joining(", "));
  }

  /** A string as JSON. */
  static String quoted(String text) {
    return text.chars()
        .mapToObj(one -> one < ' ' || one == '"' || one == '\\' || Character.isSurrogate((char) one)
            ? "\\u%04x".formatted(one)
            : String.valueOf((char) one))
        .collect(Collectors.joining("", "\"", "\""));
  }

  static String topic(String name) {
    return System.getenv().getOrDefault("TOPIC_PREFIX", "") + name;
  }

  static void charge() {
    try {
      Integer.parseInt("12,50");
    } catch (NumberFormatException cause) {
      throw new IllegalStateException("no price for the \"basket\"", cause);
    }
  }

  public static void main(String[] arguments) {
    Producer<String, String> producer = connect(System.getenv("KAFKA"));
    try {
      charge();
    } catch (IllegalStateException failure) {
      System.out.println(report(producer, failure));
    }
    // At the end of the program: wait for Kafka, but not for ever.
    producer.close(Duration.ofSeconds(10));
  }
}
