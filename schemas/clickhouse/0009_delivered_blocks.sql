-- Which batches an aggregate holds, so that one that is missing is found, and added once.

-- ClickHouse remembers a block's token in one file and renames the block's part in another step. Killed in between, it
-- knows the token of a part that it does not have, and drops the block when it is inserted again. So each view writes
-- the token into one of the rows that it makes, of each week, in the column `blocks`: a part arrives as a whole or not
-- at all, and with it the token. Where a token is missing, pipeline/aggregates.py inserts the block once more.
-- `delivered_on` is part of the key, so that the tokens of one day at most come together in a row; rows without a token
-- have 1970-01-01. To queries that read aggregates with sum(), min(), max() and -Merge, as they must, both are nothing.
-- A token that ends in '/past views' marks rows that are inserted into a table and not into what its views fill.

ALTER TABLE issues
    ADD COLUMN IF NOT EXISTS blocks SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'tokens of the batches that are counted here' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS delivered_on Date COMMENT 'the day on which these batches arrived; 1970-01-01 for none',
    MODIFY ORDER BY (project, fingerprint, week, delivered_on);

ALTER TABLE errors_per_minute
    ADD COLUMN IF NOT EXISTS blocks SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'tokens of the batches that are counted here' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS delivered_on Date COMMENT 'the day on which these batches arrived; 1970-01-01 for none',
    MODIFY ORDER BY (project, environment, minute, fingerprint, release, level, delivered_on);

ALTER TABLE errors_per_hour
    ADD COLUMN IF NOT EXISTS blocks SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'tokens of the batches that are counted here' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS delivered_on Date COMMENT 'the day on which these batches arrived; 1970-01-01 for none',
    MODIFY ORDER BY (project, environment, hour, fingerprint, release, level, delivered_on);

ALTER TABLE transactions_per_minute
    ADD COLUMN IF NOT EXISTS blocks SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'tokens of the batches that are counted here' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS delivered_on Date COMMENT 'the day on which these batches arrived; 1970-01-01 for none',
    MODIFY ORDER BY (project, environment, minute, transaction, op, release, delivered_on);

ALTER TABLE sessions_per_hour
    ADD COLUMN IF NOT EXISTS blocks SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'tokens of the batches that are counted here' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS delivered_on Date COMMENT 'the day on which these batches arrived; 1970-01-01 for none',
    MODIFY ORDER BY (project, environment, release, hour, sample_weight, delivered_on);

ALTER TABLE releases
    ADD COLUMN IF NOT EXISTS blocks SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'tokens of the batches that are counted here' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS delivered_on Date COMMENT 'the day on which these batches arrived; 1970-01-01 for none',
    MODIFY ORDER BY (project, release, environment, delivered_on);

-- Replaced and not altered: ClickHouse 26.7 gives what an altered view inserts another identity until it is restarted,
-- so that a repeated insert would be counted twice. A view is replaced in one moment.

-- The row of the week that has the most: so it is mostly the same rows that have tokens.
CREATE OR REPLACE MATERIALIZED VIEW issues_from_errors TO issues AS
SELECT
    *,
    if(
        getSetting('insert_deduplication_token') != '' AND row_number() OVER (PARTITION BY week ORDER BY count DESC) = 1,
        [getSetting('insert_deduplication_token')],
        []
    ) AS blocks,
    if(notEmpty(blocks), toDate(now('UTC')), toDate(0)) AS delivered_on
FROM
(
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
    WHERE NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
    GROUP BY project, fingerprint, week
);

CREATE OR REPLACE MATERIALIZED VIEW errors_per_minute_from_errors TO errors_per_minute AS
SELECT
    *,
    if(
        getSetting('insert_deduplication_token') != ''
            AND row_number() OVER (PARTITION BY toMonday(minute) ORDER BY count DESC) = 1,
        [getSetting('insert_deduplication_token')],
        []
    ) AS blocks,
    if(notEmpty(blocks), toDate(now('UTC')), toDate(0)) AS delivered_on
FROM
(
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
    WHERE NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
    GROUP BY project, environment, minute, fingerprint, release, level
);

-- Of a release rather than of none, where there is one: `releases` is filled from here and has to have the token too.
CREATE OR REPLACE MATERIALIZED VIEW errors_per_hour_from_errors TO errors_per_hour AS
SELECT
    *,
    if(
        getSetting('insert_deduplication_token') != ''
            AND row_number() OVER (PARTITION BY toMonday(hour) ORDER BY release = '', count DESC) = 1,
        [getSetting('insert_deduplication_token')],
        []
    ) AS blocks,
    if(notEmpty(blocks), toDate(now('UTC')), toDate(0)) AS delivered_on
FROM
(
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
    WHERE NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
    GROUP BY project, environment, hour, fingerprint, release, level
);

CREATE OR REPLACE MATERIALIZED VIEW transactions_per_minute_from_spans TO transactions_per_minute AS
SELECT
    *,
    if(
        getSetting('insert_deduplication_token') != ''
            AND row_number() OVER (PARTITION BY toMonday(minute) ORDER BY release = '', count DESC) = 1,
        [getSetting('insert_deduplication_token')],
        []
    ) AS blocks,
    if(notEmpty(blocks), toDate(now('UTC')), toDate(0)) AS delivered_on
FROM
(
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
    FROM
    (
        SELECT *, duration_ms AS took_ms
        FROM spans
        WHERE is_transaction AND NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
    )
    GROUP BY project, environment, minute, transaction, op, release
);

CREATE OR REPLACE MATERIALIZED VIEW sessions_per_hour_from_sessions TO sessions_per_hour AS
SELECT
    *,
    if(
        getSetting('insert_deduplication_token') != ''
            AND row_number() OVER (PARTITION BY toMonday(hour) ORDER BY release = '') = 1,
        [getSetting('insert_deduplication_token')],
        []
    ) AS blocks,
    if(notEmpty(blocks), toDate(now('UTC')), toDate(0)) AS delivered_on
FROM
(
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
    WHERE NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
    GROUP BY project, environment, release, hour, sample_weight
);

CREATE OR REPLACE MATERIALIZED VIEW sessions_per_hour_from_aggregates TO sessions_per_hour AS
SELECT
    *,
    if(
        getSetting('insert_deduplication_token') != ''
            AND row_number() OVER (PARTITION BY toMonday(hour) ORDER BY release = '') = 1,
        [getSetting('insert_deduplication_token')],
        []
    ) AS blocks,
    if(notEmpty(blocks), toDate(now('UTC')), toDate(0)) AS delivered_on
FROM
(
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
    WHERE NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
    GROUP BY project, environment, release, hour
);

CREATE OR REPLACE MATERIALIZED VIEW releases_from_errors TO releases AS
SELECT
    project,
    CAST(release, 'String') AS release,
    environment,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    sum(count) AS errors,
    groupUniqArrayArray(blocks) AS blocks,
    max(delivered_on) AS delivered_on
FROM errors_per_hour
WHERE release != '' AND NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
GROUP BY project, release, environment;

CREATE OR REPLACE MATERIALIZED VIEW releases_from_spans TO releases AS
SELECT
    project,
    CAST(release, 'String') AS release,
    environment,
    toDateTime64(min(minute), 3, 'UTC') AS first_seen,
    toDateTime64(max(minute), 3, 'UTC') AS last_seen,
    sum(count) AS transactions,
    groupUniqArrayArray(blocks) AS blocks,
    max(delivered_on) AS delivered_on
FROM transactions_per_minute
WHERE release != '' AND NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
GROUP BY project, release, environment;

CREATE OR REPLACE MATERIALIZED VIEW releases_from_sessions TO releases AS
SELECT
    project,
    CAST(release, 'String') AS release,
    environment,
    min(first_started) AS first_seen,
    max(last_started) AS last_seen,
    groupUniqArrayArray(blocks) AS blocks,
    max(delivered_on) AS delivered_on
FROM sessions_per_hour
WHERE release != '' AND NOT endsWith(getSetting('insert_deduplication_token'), '/past views')
GROUP BY project, release, environment;
