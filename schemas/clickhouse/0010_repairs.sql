-- Ranges of offsets that were lost and read from Kafka again (`aftershock audit --repair`): one that is 'begun' and not
-- 'done' is repaired by the next run, with the same boundaries, so that nothing of it is stored twice.
CREATE TABLE IF NOT EXISTS repairs
(
    topic        LowCardinality(String),
    incarnation  String,
    partition    UInt32,
    first_offset UInt64,
    last_offset  UInt64,
    records      UInt64,
    step         LowCardinality(String) COMMENT 'begun or done',
    at           DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (topic, incarnation, partition, first_offset, at)
TTL toDateTime(at) + INTERVAL 90 DAY;
