-- What people ask first. The views of issues are in 0007.

CREATE OR REPLACE VIEW errors_trend AS
SELECT
    project,
    environment,
    hour,
    toUInt64(round(sum(count))) AS events,
    uniq(fingerprint) AS issues,
    uniqMerge(users) AS users_affected
FROM errors_per_hour
GROUP BY project, environment, hour
ORDER BY hour;

CREATE OR REPLACE VIEW slowest_transactions AS
SELECT
    project,
    environment,
    transaction,
    op,
    toUInt64(round(sum(count))) AS transactions,
    round(sum(failures) / sum(count), 4) AS failure_rate,
    round(toFloat64(quantilesTDigestMerge(0.5, 0.75, 0.95, 0.99)(duration_ms)[1]), 1) AS p50_ms,
    round(toFloat64(quantilesTDigestMerge(0.5, 0.75, 0.95, 0.99)(duration_ms)[3]), 1) AS p95_ms,
    round(toFloat64(quantilesTDigestMerge(0.5, 0.75, 0.95, 0.99)(duration_ms)[4]), 1) AS p99_ms,
    round(max(slowest_ms), 1) AS slowest_ms
FROM transactions_per_minute
GROUP BY project, environment, transaction, op
ORDER BY p95_ms DESC;
