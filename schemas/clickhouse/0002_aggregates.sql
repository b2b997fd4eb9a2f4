-- Counts that stay right by weight, kept up to date by materialized views as rows arrive.
-- Read them with sum(count), min(first_seen), max(last_seen), uniqMerge(users), or through the views of 0004.
-- Those that know issues are partitioned by the week of the event, as errors are: so a week can be grouped anew and
-- take the place of the old one, and what is older stays as it is.

CREATE TABLE IF NOT EXISTS issues
(
    project        LowCardinality(String),
    fingerprint    String,
    week           Date COMMENT 'its Monday; an issue has a row for each week in which it happened',
    count          SimpleAggregateFunction(sum, Float64),
    users          AggregateFunction(uniq, UInt64),
    first_seen     SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen      SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    first_received SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    first_release  AggregateFunction(argMin, String, DateTime64(3, 'UTC')),
    last_release   AggregateFunction(argMax, String, DateTime64(3, 'UTC')),
    releases       SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    environments   SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    title          SimpleAggregateFunction(anyLast, String),
    culprit        SimpleAggregateFunction(anyLast, String),
    level          SimpleAggregateFunction(anyLast, String),
    platform       SimpleAggregateFunction(anyLast, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(week)
ORDER BY (project, fingerprint, week)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS issues_from_errors TO issues AS
SELECT
    project,
    fingerprint,
    toMonday(timestamp) AS week,
    sum(sample_weight) AS count,
    uniqStateArray(arrayFilter(user -> user != 0, arrayPushBack(other_users, user_hash))) AS users,
    min(timestamp) AS first_seen,
    max(timestamp) AS last_seen,
    min(received) AS first_received,
    argMinState(CAST(release, 'String'), timestamp) AS first_release,
    argMaxState(CAST(release, 'String'), timestamp) AS last_release,
    groupUniqArrayIf(CAST(release, 'String'), release != '') AS releases,
    groupUniqArrayIf(CAST(environment, 'String'), environment != '') AS environments,
    anyLast(title) AS title,
    anyLast(culprit) AS culprit,
    anyLast(CAST(level, 'String')) AS level,
    anyLast(CAST(platform, 'String')) AS platform
FROM errors
GROUP BY project, fingerprint, week;

CREATE TABLE IF NOT EXISTS errors_per_minute
(
    project     LowCardinality(String),
    environment LowCardinality(String),
    minute      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    fingerprint String,
    release     LowCardinality(String),
    level       LowCardinality(String),
    count       SimpleAggregateFunction(sum, Float64),
    users       AggregateFunction(uniq, UInt64),
    first_seen  SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen   SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(minute)
ORDER BY (project, environment, minute, fingerprint, release, level)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS errors_per_minute_from_errors TO errors_per_minute AS
SELECT
    project,
    environment,
    toStartOfMinute(timestamp) AS minute,
    fingerprint,
    release,
    level,
    sum(sample_weight) AS count,
    uniqStateArray(arrayFilter(user -> user != 0, arrayPushBack(other_users, user_hash))) AS users,
    min(timestamp) AS first_seen,
    max(timestamp) AS last_seen
FROM errors
GROUP BY project, environment, minute, fingerprint, release, level;

CREATE TABLE IF NOT EXISTS errors_per_hour
(
    project     LowCardinality(String),
    environment LowCardinality(String),
    hour        DateTime('UTC') CODEC(Delta, ZSTD(1)),
    fingerprint String,
    release     LowCardinality(String),
    level       LowCardinality(String),
    count       SimpleAggregateFunction(sum, Float64),
    users       AggregateFunction(uniq, UInt64),
    first_seen  SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen   SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(hour)
ORDER BY (project, environment, hour, fingerprint, release, level)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS errors_per_hour_from_errors TO errors_per_hour AS
SELECT
    project,
    environment,
    toStartOfHour(timestamp) AS hour,
    fingerprint,
    release,
    level,
    sum(sample_weight) AS count,
    uniqStateArray(arrayFilter(user -> user != 0, arrayPushBack(other_users, user_hash))) AS users,
    min(timestamp) AS first_seen,
    max(timestamp) AS last_seen
FROM errors
GROUP BY project, environment, hour, fingerprint, release, level;

CREATE TABLE IF NOT EXISTS transactions_per_minute
(
    project     LowCardinality(String),
    environment LowCardinality(String),
    minute      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    transaction String,
    op          LowCardinality(String),
    release     LowCardinality(String),
    count       SimpleAggregateFunction(sum, Float64),
    failures    SimpleAggregateFunction(sum, Float64),
    users       AggregateFunction(uniq, UInt64),
    duration_ms AggregateFunction(quantilesTDigest(0.5, 0.75, 0.95, 0.99), Float64),
    slowest_ms  SimpleAggregateFunction(max, Float64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(minute)
ORDER BY (project, environment, minute, transaction, op, release)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS transactions_per_minute_from_spans TO transactions_per_minute AS
SELECT
    project,
    environment,
    toStartOfMinute(timestamp) AS minute,
    transaction,
    op,
    release,
    sum(sample_weight) AS count,
    sumIf(sample_weight, status NOT IN ('', 'ok', 'cancelled', 'unknown')) AS failures,
    uniqStateIf(user_hash, user_hash != 0) AS users,
    quantilesTDigestState(0.5, 0.75, 0.95, 0.99)(took_ms) AS duration_ms,
    max(took_ms) AS slowest_ms
FROM (SELECT *, duration_ms AS took_ms FROM spans WHERE is_transaction)
GROUP BY project, environment, minute, transaction, op, release;
