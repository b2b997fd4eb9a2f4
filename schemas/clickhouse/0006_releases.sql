-- Releases: when each was seen first and last, and what somebody said about it.

-- One row for each release and environment, in parts that are merged when read.
CREATE TABLE IF NOT EXISTS releases
(
    project      LowCardinality(String),
    release      String,
    environment  LowCardinality(String),
    first_seen   SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'the first event or session',
    last_seen    SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    errors       SimpleAggregateFunction(sum, Float64),
    transactions SimpleAggregateFunction(sum, Float64)
)
ENGINE = AggregatingMergeTree
ORDER BY (project, release, environment)
SETTINGS non_replicated_deduplication_window = 10000;

-- From what other views have added up already: a few rows an insert instead of every event of it, which costs a quarter.
CREATE MATERIALIZED VIEW IF NOT EXISTS releases_from_errors TO releases AS
SELECT
    project,
    CAST(release, 'String') AS release,
    environment,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    sum(count) AS errors
FROM errors_per_hour
WHERE release != ''
GROUP BY project, release, environment;

-- Of transactions the minute is known.
CREATE MATERIALIZED VIEW IF NOT EXISTS releases_from_spans TO releases AS
SELECT
    project,
    CAST(release, 'String') AS release,
    environment,
    toDateTime64(min(minute), 3, 'UTC') AS first_seen,
    toDateTime64(max(minute), 3, 'UTC') AS last_seen,
    sum(count) AS transactions
FROM transactions_per_minute
WHERE release != ''
GROUP BY project, release, environment;

CREATE MATERIALIZED VIEW IF NOT EXISTS releases_from_sessions TO releases AS
SELECT
    project,
    CAST(release, 'String') AS release,
    environment,
    min(first_started) AS first_seen,
    max(last_started) AS last_seen
FROM sessions_per_hour
WHERE release != ''
GROUP BY project, release, environment;

-- That a release was made, finalized, or deployed somewhere.
CREATE TABLE IF NOT EXISTS release_changes
(
    project         LowCardinality(String),
    release         String,
    kind            LowCardinality(String) COMMENT 'created, finalized, or deploy',
    at              DateTime64(3, 'UTC'),
    url             String COMMENT 'scrubbed',
    environment     LowCardinality(String) COMMENT 'where it was deployed to',
    name            String COMMENT 'the name of the deployment',
    deploy_began    Nullable(DateTime64(3, 'UTC')),
    received        DateTime64(3, 'UTC'),
    kafka_partition UInt32,
    kafka_offset    UInt64
)
ENGINE = MergeTree
ORDER BY (project, release, kind, at)
SETTINGS non_replicated_deduplication_window = 10000;

-- What a release consists of. Of several sets the one that was said last counts: see the view release_contents.
CREATE TABLE IF NOT EXISTS release_commits
(
    project         LowCardinality(String),
    release         String,
    said_at         DateTime64(3, 'UTC') COMMENT 'one set has one time',
    position        UInt32 COMMENT 'the newest commit is 0',
    commit          String,
    repository      LowCardinality(String),
    message         String COMMENT 'scrubbed' CODEC(ZSTD(1)),
    author          String COMMENT 'the name; the e-mail address is not stored',
    user_hash       UInt64 COMMENT 'keyed hash of the author''s e-mail address',
    committed_at    Nullable(DateTime64(3, 'UTC')),
    files           Array(String) CODEC(ZSTD(1)),
    kafka_partition UInt32,
    kafka_offset    UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (project, release, said_at, position)
SETTINGS non_replicated_deduplication_window = 10000;

-- The commits at which a release's repositories stood.
CREATE TABLE IF NOT EXISTS release_refs
(
    project         LowCardinality(String),
    release         String,
    said_at         DateTime64(3, 'UTC'),
    repository      LowCardinality(String),
    commit          String,
    previous_commit String,
    kafka_partition UInt32,
    kafka_offset    UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (project, release, said_at, repository)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE OR REPLACE VIEW release_contents AS
SELECT project, release, position, commit, repository, message, author, committed_at, files
FROM release_commits FINAL
WHERE (project, release, said_at) IN (SELECT project, release, max(said_at) FROM release_commits GROUP BY project, release)
ORDER BY project, release, position;

CREATE OR REPLACE VIEW release_deploys AS
SELECT project, release, environment, name, url, any(deploy_began) AS began, at AS finished
FROM release_changes
WHERE kind = 'deploy'
GROUP BY project, release, environment, name, url, at
ORDER BY finished DESC;

CREATE OR REPLACE VIEW release_new_issues AS
SELECT project, release, count() AS new_issues
FROM (SELECT project, fingerprint, argMinMerge(first_release) AS release FROM issues GROUP BY project, fingerprint)
WHERE release != ''
GROUP BY project, release;

-- Everything that is known of a release, in one row.
CREATE OR REPLACE VIEW release_overview AS
SELECT
    known.project AS project,
    known.release AS release,
    known.first_seen AS first_seen,
    known.last_seen AS last_seen,
    known.environments AS environments,
    known.created_at AS created_at,
    known.released_at AS released_at,
    known.errors AS errors,
    known.transactions AS transactions,
    ifNull(fresh.new_issues, 0) AS new_issues,
    ifNull(content.commits, 0) AS commits,
    ifNull(health.sessions_total, 0) AS sessions,
    health.crash_free AS crash_free_sessions,
    ifNull(health.users_total, 0) AS users,
    health.crash_free_u AS crash_free_users
FROM
(
    SELECT
        project,
        release,
        min(seen_first) AS first_seen,
        max(seen_last) AS last_seen,
        arraySort(groupUniqArrayIf(place, place != '')) AS environments,
        min(created) AS created_at,
        max(finalized) AS released_at,
        toUInt64(round(sum(error_sum))) AS errors,
        toUInt64(round(sum(transaction_sum))) AS transactions
    FROM
    (
        SELECT
            project,
            release,
            CAST(environment, 'String') AS place,
            toNullable(min(first_seen)) AS seen_first,
            toNullable(max(last_seen)) AS seen_last,
            CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS created,
            CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS finalized,
            sum(errors) AS error_sum,
            sum(transactions) AS transaction_sum
        FROM releases
        GROUP BY project, release, environment
        UNION ALL
        SELECT
            project,
            release,
            CAST(environment, 'String'),
            NULL,
            NULL,
            minOrNullIf(at, kind = 'created'),
            maxOrNullIf(at, kind = 'finalized'),
            0,
            0
        FROM release_changes
        GROUP BY project, release, environment
    )
    GROUP BY project, release
) AS known
LEFT JOIN release_new_issues AS fresh ON fresh.project = known.project AND fresh.release = known.release
LEFT JOIN
(
    SELECT project, release, count() AS commits FROM release_contents GROUP BY project, release
) AS content ON content.project = known.project AND content.release = known.release
LEFT JOIN
(
    SELECT
        project,
        CAST(release, 'String') AS release,
        toUInt64(round(sum(weight * all_of_them) + sum(counted))) AS sessions_total,
        1 - (sum(weight * crashed) + sum(counted_crashed)) / nullIf(sum(weight * all_of_them) + sum(counted), 0)
            AS crash_free,
        uniqMerge(user_set) AS users_total,
        1 - uniqMerge(crashed_user_set) / nullIf(users_total, 0) AS crash_free_u
    FROM
    (
        SELECT
            project,
            release,
            sample_weight AS weight,
            uniqExactMerge(session_ids) AS all_of_them,
            uniqExactMerge(crashed_ids) AS crashed,
            sum(aggregated) AS counted,
            sum(aggregated_crashed) AS counted_crashed,
            uniqMergeState(user_ids) AS user_set,
            uniqMergeState(crashed_user_ids) AS crashed_user_set
        FROM sessions_per_hour
        GROUP BY project, release, weight
    )
    GROUP BY project, release
) AS health ON health.project = known.project AND health.release = known.release
ORDER BY first_seen DESC;
