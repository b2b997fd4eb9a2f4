-- The worker's own records. Nobody needs them for queries about errors.

-- Every batch is written down here before its rows are inserted, so that after a crash it is formed again with
-- the same boundaries and inserted again with the same token.
CREATE TABLE IF NOT EXISTS batches
(
    topic        LowCardinality(String),
    incarnation  String COMMENT 'which life of the topic the offsets belong to',
    partition    UInt32,
    first_offset UInt64,
    last_offset  UInt64,
    begun_at     DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (topic, incarnation, partition, last_offset)
TTL toDateTime(begun_at) + INTERVAL 7 DAY;

-- A topic that was deleted and made again starts a new life: its offsets begin at zero once more.
CREATE TABLE IF NOT EXISTS topics
(
    topic       String,
    incarnation String,
    created_at  DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (topic, created_at);

-- Weeks that were grouped anew: a step 'swapping' without its 'done' has to be finished by the next run.
CREATE TABLE IF NOT EXISTS regroups
(
    week Date,
    step LowCardinality(String),
    at   DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (week, at);

-- Issues that came to be when history was grouped anew. Their events were seen under other fingerprints.
CREATE TABLE IF NOT EXISTS regrouped_issues
(
    project     LowCardinality(String),
    environment LowCardinality(String),
    fingerprint String
)
ENGINE = ReplacingMergeTree
ORDER BY (project, environment, fingerprint);
