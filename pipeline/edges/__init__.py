"""One module per external system: Kafka, ClickHouse, compression; their settings, and the retrying that they share."""
