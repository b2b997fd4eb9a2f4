-- Sessions, logs, check-ins, feedback, and outcomes: what became of items that were not taken.

-- One row for each update that arrived. An update has the full state of its session, so the latest (`latest`, see
-- `sessions_now`) stands for it; the parts are merged in the background.
CREATE TABLE IF NOT EXISTS sessions
(
    project         LowCardinality(String),
    environment     LowCardinality(String),
    release         LowCardinality(String),
    session_id      String CODEC(ZSTD(1)),
    user_hash       UInt64 COMMENT 'keyed hash of the user, for counting; 0 when nobody is known',
    started         DateTime64(3, 'UTC') COMMENT 'clamped if the clock was astray' CODEC(Delta, ZSTD(1)),
    timestamp       DateTime64(3, 'UTC') COMMENT 'when this was said' CODEC(Delta, ZSTD(1)),
    received        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    status          LowCardinality(String) COMMENT 'ok (it goes on), exited, unhandled, abnormal or crashed',
    errors          UInt32,
    duration_s      Nullable(Float64),
    init            Bool COMMENT 'whether this was its first update',
    latest          UInt64 COMMENT 'of two updates of a session, the higher one is later',
    sample_weight   Float64 DEFAULT 1 COMMENT 'how many sessions this one stands for',
    kafka_partition UInt32,
    kafka_offset    UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(latest)
PARTITION BY toMonday(started)
ORDER BY (project, release, environment, session_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- One row for each bucket of a server that counts its sessions itself.
CREATE TABLE IF NOT EXISTS session_aggregates
(
    project         LowCardinality(String),
    environment     LowCardinality(String),
    release         LowCardinality(String),
    started         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    user_hash       UInt64,
    exited          UInt64 COMMENT 'in order, without errors',
    errored         UInt64 COMMENT 'in order, with errors',
    abnormal        UInt64,
    crashed         UInt64,
    kafka_partition UInt32,
    kafka_offset    UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(started)
ORDER BY (project, release, environment, started)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Sets of session ids and not sums: an update that arrives twice, late or in another order changes nothing. Each set
-- holds the next: all, unhealthy (errors, abnormal, crashed), failed (abnormal, crashed), crashed. What servers have
-- counted themselves is added up beside them.
CREATE TABLE IF NOT EXISTS sessions_per_hour
(
    project             LowCardinality(String),
    environment         LowCardinality(String),
    release             LowCardinality(String),
    hour                DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sample_weight       Float64 COMMENT 'how many sessions each of the sets stands for',
    session_ids         AggregateFunction(uniqExact, UInt64),
    unhealthy_ids       AggregateFunction(uniqExact, UInt64),
    failed_ids          AggregateFunction(uniqExact, UInt64),
    crashed_ids         AggregateFunction(uniqExact, UInt64),
    user_ids            AggregateFunction(uniq, UInt64),
    crashed_user_ids    AggregateFunction(uniq, UInt64),
    aggregated          SimpleAggregateFunction(sum, UInt64),
    aggregated_errored  SimpleAggregateFunction(sum, UInt64),
    aggregated_abnormal SimpleAggregateFunction(sum, UInt64),
    aggregated_crashed  SimpleAggregateFunction(sum, UInt64),
    first_started       SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_started        SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(hour)
ORDER BY (project, environment, release, hour, sample_weight)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_per_hour_from_sessions TO sessions_per_hour AS
SELECT
    project,
    environment,
    release,
    toStartOfHour(started) AS hour,
    sample_weight,
    uniqExactState(xxHash64(session_id)) AS session_ids,
    uniqExactStateIf(xxHash64(session_id), errors > 0 OR status IN ('crashed', 'abnormal')) AS unhealthy_ids,
    uniqExactStateIf(xxHash64(session_id), status IN ('crashed', 'abnormal')) AS failed_ids,
    uniqExactStateIf(xxHash64(session_id), status = 'crashed') AS crashed_ids,
    uniqStateIf(user_hash, user_hash != 0) AS user_ids,
    uniqStateIf(user_hash, user_hash != 0 AND status = 'crashed') AS crashed_user_ids,
    min(started) AS first_started,
    max(started) AS last_started
FROM sessions
GROUP BY project, environment, release, hour, sample_weight;

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_per_hour_from_aggregates TO sessions_per_hour AS
SELECT
    project,
    environment,
    release,
    toStartOfHour(started) AS hour,
    1 AS sample_weight,
    uniqStateIf(user_hash, user_hash != 0) AS user_ids,
    uniqStateIf(user_hash, user_hash != 0 AND crashed > 0) AS crashed_user_ids,
    sum(exited + errored + abnormal + crashed) AS aggregated,
    sum(errored) AS aggregated_errored,
    sum(abnormal) AS aggregated_abnormal,
    sum(crashed) AS aggregated_crashed,
    min(started) AS first_started,
    max(started) AS last_started
FROM session_aggregates
GROUP BY project, environment, release, hour;

CREATE TABLE IF NOT EXISTS logs
(
    project         LowCardinality(String),
    environment     LowCardinality(String),
    timestamp       DateTime64(3, 'UTC') COMMENT 'when it was written; clamped if the clock was astray' CODEC(Delta, ZSTD(1)),
    received        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    level           LowCardinality(String) COMMENT 'trace, debug, info, warn, error or fatal',
    severity_number UInt8 COMMENT 'as OpenTelemetry has it, 1 to 24; 0 when unknown',
    body            String COMMENT 'the text, scrubbed' CODEC(ZSTD(1)),
    template        String COMMENT 'the text before its parameters were filled in' CODEC(ZSTD(1)),
    trace_id        String CODEC(ZSTD(1)),
    span_id         String CODEC(ZSTD(1)),
    release         LowCardinality(String),
    server_name     String CODEC(ZSTD(1)),
    sdk_name        LowCardinality(String),
    user_id         String COMMENT 'scrubbed' CODEC(ZSTD(1)),
    user_hash       UInt64,
    sample_weight   Float64 DEFAULT 1 COMMENT 'how many logs this row stands for',
    attributes      Map(LowCardinality(String), String) COMMENT 'scrubbed; those of the columns above left out' CODEC(ZSTD(1)),
    scrubbed        Map(LowCardinality(String), UInt32),
    kafka_partition UInt32,
    kafka_offset    UInt64 CODEC(Delta, ZSTD(1)),
    INDEX trace_id_index trace_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX body_index body TYPE tokenbf_v1(8192, 3, 0) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project, environment, timestamp)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS check_ins
(
    project         LowCardinality(String),
    environment     LowCardinality(String),
    monitor         LowCardinality(String) COMMENT 'the job',
    check_in_id     String COMMENT 'the run' CODEC(ZSTD(1)),
    received        DateTime64(3, 'UTC') COMMENT 'when it was said; check-ins have no time of their own' CODEC(Delta, ZSTD(1)),
    status          LowCardinality(String) COMMENT 'in_progress, ok or error',
    duration_s      Nullable(Float64),
    release         LowCardinality(String),
    trace_id        String CODEC(ZSTD(1)),
    monitor_config  String COMMENT 'JSON: the schedule, as the SDK was told' CODEC(ZSTD(1)),
    kafka_partition UInt32,
    kafka_offset    UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(received)
ORDER BY (project, environment, monitor, received)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS feedback
(
    project             LowCardinality(String),
    environment         LowCardinality(String),
    timestamp           DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    event_id            String CODEC(ZSTD(1)),
    associated_event_id String COMMENT 'the error it is about' CODEC(ZSTD(1)),
    message             String COMMENT 'what was written, scrubbed; name and e-mail address are not stored' CODEC(ZSTD(1)),
    url                 String COMMENT 'scrubbed' CODEC(ZSTD(1)),
    source              LowCardinality(String) COMMENT 'which form it came by; user_report for the older kind',
    platform            LowCardinality(String),
    release             LowCardinality(String),
    trace_id            String CODEC(ZSTD(1)),
    user_id             String COMMENT 'scrubbed' CODEC(ZSTD(1)),
    user_hash           UInt64,
    scrubbed            Map(LowCardinality(String), UInt32),
    kafka_partition     UInt32,
    kafka_offset        UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project, timestamp)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS outcomes
(
    project         LowCardinality(String) COMMENT 'empty where a request was refused before it was known',
    key             LowCardinality(String) COMMENT 'the first eight digits of the public key',
    category        LowCardinality(String),
    reason          LowCardinality(String) COMMENT 'a word, or a word, a colon and a detail',
    time            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    quantity        UInt64,
    kafka_partition UInt32,
    kafka_offset    UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(time)
ORDER BY (project, category, reason, time)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- What is known of each session now.
CREATE OR REPLACE VIEW sessions_now AS
SELECT
    project,
    environment,
    release,
    session_id,
    argMax(status, latest) AS last_status,
    max(errors) AS error_count,
    argMax(duration_s, latest) AS last_duration_s,
    any(user_hash) AS user,
    min(started) AS began,
    max(timestamp) AS heard_of
FROM sessions
GROUP BY project, environment, release, session_id;

-- How the sessions of a release have ended. Sets are joined before they are counted, so that a session is one, and
-- weighed afterwards, where a gateway has sampled.
CREATE OR REPLACE VIEW release_health AS
SELECT
    project,
    environment,
    release,
    toUInt64(round(sum(weight * all_of_them) + sum(counted))) AS sessions_total,
    toUInt64(round(sum(weight * (unhealthy - failed)) + sum(counted_errored))) AS sessions_errored,
    toUInt64(round(sum(weight * (failed - crashed)) + sum(counted_abnormal))) AS sessions_abnormal,
    toUInt64(round(sum(weight * crashed) + sum(counted_crashed))) AS sessions_crashed,
    1 - sessions_crashed / nullIf(sessions_total, 0) AS crash_free_sessions,
    uniqMerge(users) AS users_total,
    uniqMerge(crashed_users) AS users_crashed,
    1 - users_crashed / nullIf(users_total, 0) AS crash_free_users,
    min(first_of_them) AS first_session,
    max(last_of_them) AS last_session
FROM
(
    SELECT
        project,
        environment,
        release,
        sample_weight AS weight,
        uniqExactMerge(session_ids) AS all_of_them,
        uniqExactMerge(unhealthy_ids) AS unhealthy,
        uniqExactMerge(failed_ids) AS failed,
        uniqExactMerge(crashed_ids) AS crashed,
        sum(aggregated) AS counted,
        sum(aggregated_errored) AS counted_errored,
        sum(aggregated_abnormal) AS counted_abnormal,
        sum(aggregated_crashed) AS counted_crashed,
        uniqMergeState(user_ids) AS users,
        uniqMergeState(crashed_user_ids) AS crashed_users,
        min(first_started) AS first_of_them,
        max(last_started) AS last_of_them
    FROM sessions_per_hour
    GROUP BY project, environment, release, weight
)
GROUP BY project, environment, release
ORDER BY last_session DESC;

CREATE OR REPLACE VIEW release_health_per_day AS
SELECT
    project,
    environment,
    release,
    day,
    toUInt64(round(sum(weight * all_of_them) + sum(counted))) AS sessions_total,
    toUInt64(round(sum(weight * crashed) + sum(counted_crashed))) AS sessions_crashed,
    1 - sessions_crashed / nullIf(sessions_total, 0) AS crash_free_sessions,
    uniqMerge(users) AS users_total,
    uniqMerge(crashed_users) AS users_crashed,
    1 - users_crashed / nullIf(users_total, 0) AS crash_free_users
FROM
(
    SELECT
        project,
        environment,
        release,
        toDate(hour) AS day,
        sample_weight AS weight,
        uniqExactMerge(session_ids) AS all_of_them,
        uniqExactMerge(crashed_ids) AS crashed,
        sum(aggregated) AS counted,
        sum(aggregated_crashed) AS counted_crashed,
        uniqMergeState(user_ids) AS users,
        uniqMergeState(crashed_user_ids) AS crashed_users
    FROM sessions_per_hour
    GROUP BY project, environment, release, day, weight
)
GROUP BY project, environment, release, day
ORDER BY day;

-- Which share of the last 24 hours' sessions and users a release has.
CREATE OR REPLACE VIEW release_adoption AS
SELECT
    project,
    environment,
    release,
    sessions_total,
    users_total,
    sessions_total / sum(sessions_total) OVER (PARTITION BY project, environment) AS session_share,
    users_total / nullIf(sum(users_total) OVER (PARTITION BY project, environment), 0) AS user_share
FROM
(
    SELECT
        project,
        environment,
        release,
        toUInt64(round(sum(weight * all_of_them) + sum(counted))) AS sessions_total,
        uniqMerge(users) AS users_total
    FROM
    (
        SELECT
            project,
            environment,
            release,
            sample_weight AS weight,
            uniqExactMerge(session_ids) AS all_of_them,
            sum(aggregated) AS counted,
            uniqMergeState(user_ids) AS users
        FROM sessions_per_hour
        WHERE hour > now() - INTERVAL 1 DAY
        GROUP BY project, environment, release, weight
    )
    GROUP BY project, environment, release
);

-- Each run of a monitored job: how it went, and for how long.
CREATE OR REPLACE VIEW monitor_runs AS
SELECT
    project,
    environment,
    monitor,
    check_in_id,
    min(received) AS began,
    max(received) AS heard_of,
    argMax(status, (status != 'in_progress', received)) AS last_status,
    if(
        isNull(max(duration_s)) AND last_status != 'in_progress' AND count() > 1,
        dateDiff('millisecond', began, heard_of) / 1000,
        max(duration_s)
    ) AS took_s
FROM check_ins
GROUP BY project, environment, monitor, check_in_id
ORDER BY began;

CREATE OR REPLACE VIEW outcomes_per_hour AS
SELECT
    project,
    category,
    reason,
    toStartOfHour(time) AS hour,
    sum(quantity) AS items
FROM outcomes
GROUP BY project, category, reason, hour
ORDER BY hour;
