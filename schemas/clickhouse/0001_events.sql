-- Errors and spans: one row for each event that was accepted. Both keep where the row came from in Kafka.
-- The deduplication windows make a repeated insert with the same token add nothing; materialized views'
-- targets need the setting as well (0002_aggregates.sql).

CREATE TABLE IF NOT EXISTS errors
(
    project             LowCardinality(String),
    environment         LowCardinality(String),
    timestamp           DateTime64(3, 'UTC') COMMENT 'when it happened; clamped if the clock was astray' CODEC(Delta, ZSTD(1)),
    client_timestamp    DateTime64(3, 'UTC') COMMENT 'the timestamp as it was sent' CODEC(Delta, ZSTD(1)),
    received            DateTime64(3, 'UTC') COMMENT 'when Kafka received it' CODEC(Delta, ZSTD(1)),
    event_id            String CODEC(ZSTD(1)),
    fingerprint         String COMMENT 'the issue: 32 hexadecimal digits' CODEC(ZSTD(1)),
    grouping_version    LowCardinality(String),
    grouping_rule       LowCardinality(String) COMMENT 'what decided the fingerprint',
    grouping_components Array(String) COMMENT 'what went into the fingerprint' CODEC(ZSTD(1)),
    title               String CODEC(ZSTD(1)),
    culprit             String CODEC(ZSTD(1)),
    message             String CODEC(ZSTD(1)),
    level               LowCardinality(String),
    platform            LowCardinality(String),
    logger              LowCardinality(String),
    handled             Nullable(Bool) COMMENT 'false for a crash; null where the SDK does not say',
    exception_types     Array(String) COMMENT 'innermost cause first' CODEC(ZSTD(1)),
    exception_values    Array(String) CODEC(ZSTD(1)),
    frames_function     Array(String) COMMENT 'oldest call first, of all exceptions in their order' CODEC(ZSTD(1)),
    frames_module       Array(String) CODEC(ZSTD(1)),
    frames_file         Array(String) CODEC(ZSTD(1)),
    frames_line         Array(UInt32) CODEC(ZSTD(1)),
    frames_in_app       Array(Bool) CODEC(ZSTD(1)),
    release             LowCardinality(String),
    dist                LowCardinality(String),
    server_name         String CODEC(ZSTD(1)),
    transaction         String CODEC(ZSTD(1)),
    request_method      LowCardinality(String),
    request_url         String CODEC(ZSTD(1)),
    user_id             String COMMENT 'scrubbed' CODEC(ZSTD(1)),
    user_hash           UInt64 COMMENT 'keyed hash of the user, for counting; 0 when nobody is known',
    other_users         Array(UInt64) COMMENT 'keyed hashes of the users of the other events this row stands for' CODEC(ZSTD(1)),
    users               Array(UInt64) ALIAS arrayFilter(user -> user != 0, arrayPushBack(other_users, user_hash)) COMMENT 'for counting: uniqArray(users)',
    tags                Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    contexts            String COMMENT 'JSON, scrubbed' CODEC(ZSTD(1)),
    trace_id            String CODEC(ZSTD(1)),
    span_id             String CODEC(ZSTD(1)),
    sdk_name            LowCardinality(String),
    sdk_version         LowCardinality(String),
    sample_weight       Float64 DEFAULT 1 COMMENT 'how many events this row stands for',
    scrubbed            Map(LowCardinality(String), UInt32) COMMENT 'kind and field to how many were replaced there, in all events this row stands for',
    mended              Array(LowCardinality(String)) COMMENT 'fields of the wrong type that were left out',
    kafka_topic         LowCardinality(String),
    kafka_partition     UInt32,
    kafka_offset        UInt64 CODEC(Delta, ZSTD(1)),
    payload             String COMMENT 'the whole event as JSON, scrubbed' CODEC(ZSTD(1)),
    INDEX event_id_index event_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX trace_id_index trace_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX timestamp_index timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project, fingerprint, timestamp)
-- A part below 128 MB is one file for all columns: two files a column would double what an insert costs. Merges wait
-- for more parts of a size than by default (5), because each merge compresses every payload again.
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS spans
(
    project          LowCardinality(String),
    environment      LowCardinality(String),
    timestamp        DateTime64(3, 'UTC') COMMENT 'when it ended; clamped if the clock was astray' CODEC(Delta, ZSTD(1)),
    client_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ms      Float64 CODEC(ZSTD(1)),
    trace_id         String CODEC(ZSTD(1)),
    span_id          String CODEC(ZSTD(1)),
    parent_span_id   String CODEC(ZSTD(1)),
    segment_id       String COMMENT 'the root span of the transaction this span belongs to' CODEC(ZSTD(1)),
    is_transaction   Bool COMMENT 'true for the root span',
    transaction      String CODEC(ZSTD(1)),
    op               LowCardinality(String),
    description      String CODEC(ZSTD(1)),
    status           LowCardinality(String),
    event_id         String COMMENT 'the transaction event it arrived in; empty for a single span' CODEC(ZSTD(1)),
    release          LowCardinality(String),
    dist             LowCardinality(String),
    server_name      String CODEC(ZSTD(1)),
    platform         LowCardinality(String),
    user_id          String CODEC(ZSTD(1)),
    user_hash        UInt64,
    tags             Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    data             String COMMENT 'JSON: the span without the fields above; the transaction without its spans' CODEC(ZSTD(1)),
    sample_weight    Float64 DEFAULT 1,
    scrubbed         Map(LowCardinality(String), UInt32),
    kafka_topic      LowCardinality(String),
    kafka_partition  UInt32,
    kafka_offset     UInt64 CODEC(Delta, ZSTD(1)),
    INDEX trace_id_index trace_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX timestamp_index timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project, is_transaction, transaction, op, timestamp)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS alerts
(
    id           String,
    rule         LowCardinality(String),
    kind         LowCardinality(String),
    severity     LowCardinality(String),
    state        LowCardinality(String) COMMENT 'firing, resolved or test',
    project      LowCardinality(String),
    environment  LowCardinality(String),
    fingerprint  String,
    title        String,
    culprit      String,
    level        LowCardinality(String),
    release      String,
    value        Float64,
    threshold    Float64,
    window_start DateTime64(3, 'UTC'),
    window_end   DateTime64(3, 'UTC'),
    event_ids    Array(String),
    query        String COMMENT 'a SQL statement that shows the evidence',
    dedup_key    String,
    created_at   DateTime64(3, 'UTC'),
    kafka_partition UInt32,
    kafka_offset UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(created_at)
ORDER BY (rule, id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS dead_letters
(
    kafka_topic     LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset    UInt64,
    received        DateTime64(3, 'UTC'),
    project         LowCardinality(String),
    stage           LowCardinality(String),
    reason          String COMMENT 'which field, and what to do; nothing of the message itself',
    bytes           UInt64 COMMENT 'the size of the original; the bytes are on the dead-letters topic alone'
)
ENGINE = MergeTree
PARTITION BY toMonday(received)
ORDER BY (kafka_topic, stage, received)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
