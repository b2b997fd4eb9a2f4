-- What people do to issues, what the issues do then, and the views that take both into account.

-- Every message of the topic issue-changes; the latest one of an issue counts.
CREATE TABLE IF NOT EXISTS issue_changes
(
    project            LowCardinality(String),
    fingerprint        String,
    change_id          String COMMENT 'names the latest change of status; empty when everything was taken back',
    changed_at         DateTime64(3, 'UTC') COMMENT 'when the status was changed; only later events bring the issue back',
    status             LowCardinality(String) COMMENT 'open, resolved or ignored',
    in_release         String COMMENT 'resolved in this release',
    after_release      String COMMENT 'resolved in the release after this one',
    release_first_seen Nullable(DateTime64(3, 'UTC')),
    until_count        Nullable(UInt64),
    until_users        Nullable(UInt64),
    until              Nullable(DateTime64(3, 'UTC')),
    assignee           String,
    merged_into        String COMMENT 'the issue that this one is part of; empty for none',
    deleted            LowCardinality(String) COMMENT 'once, discard or empty',
    updated_at         DateTime64(3, 'UTC'),
    updated_by         String,
    received           DateTime64(3, 'UTC'),
    kafka_partition    UInt32,
    kafka_offset       UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (project, fingerprint, received, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000;

-- An issue that came back after a change: at most once for each.
CREATE TABLE IF NOT EXISTS issue_reactions
(
    project     LowCardinality(String),
    fingerprint String,
    change_id   String,
    kind        LowCardinality(String) COMMENT 'regressed, unignored or returned (after a delete)',
    at          DateTime64(3, 'UTC') COMMENT 'when the event happened that brought it back',
    environment LowCardinality(String),
    release     String,
    noted_at    DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (project, fingerprint, change_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE OR REPLACE VIEW issue_wishes AS
SELECT
    project,
    fingerprint,
    argMax(change_id, (received, kafka_offset)) AS change_id,
    argMax(changed_at, (received, kafka_offset)) AS changed_at,
    argMax(status, (received, kafka_offset)) AS wished,
    argMax(in_release, (received, kafka_offset)) AS in_release,
    argMax(after_release, (received, kafka_offset)) AS after_release,
    -- argMax skips nulls, a tuple around them does not.
    argMax(tuple(until_count, until_users, until), (received, kafka_offset)) AS limits,
    argMax(assignee, (received, kafka_offset)) AS assignee,
    argMax(merged_into, (received, kafka_offset)) AS merged_into,
    argMax(deleted, (received, kafka_offset)) AS deleted,
    argMax(updated_by, (received, kafka_offset)) AS updated_by
FROM issue_changes
GROUP BY project, fingerprint;

-- Fingerprints that are part of another issue, and which: the last of a chain of merges. One row each.
CREATE OR REPLACE VIEW issue_merges AS
WITH merges AS (SELECT project, fingerprint, merged_into FROM issue_wishes WHERE merged_into != '')
SELECT
    one.project AS project,
    one.fingerprint AS fingerprint,
    multiIf(three.merged_into != '', three.merged_into, two.merged_into != '', two.merged_into, one.merged_into) AS issue
FROM merges AS one
LEFT JOIN merges AS two ON two.project = one.project AND two.fingerprint = one.merged_into
LEFT JOIN merges AS three ON three.project = two.project AND three.fingerprint = two.merged_into
-- Circles merge nothing.
WHERE two.merged_into != one.fingerprint AND three.merged_into NOT IN (one.fingerprint, one.merged_into);

CREATE OR REPLACE VIEW issue_status AS
SELECT
    wish.project AS project,
    wish.fingerprint AS fingerprint,
    multiIf(
        came.kind = 'regressed', 'regressed',
        came.kind != '', 'open',
        wished = 'ignored' AND isNotNull(limits.3) AND limits.3 <= now64(3, 'UTC'), 'open',
        wished
    ) AS status,
    assignee,
    merged_into,
    wish.change_id AS change_id,
    changed_at,
    updated_by AS changed_by,
    in_release,
    after_release,
    limits.1 AS until_count,
    limits.2 AS until_users,
    limits.3 AS until,
    deleted,
    came.kind AS came_back,
    if(came.kind = '', NULL, came.first_at) AS came_back_at,
    came.first_release AS came_back_in
FROM issue_wishes AS wish
LEFT JOIN
(
    SELECT project, fingerprint, change_id, any(kind) AS kind, min(at) AS first_at, argMin(release, at) AS first_release
    FROM issue_reactions
    GROUP BY project, fingerprint, change_id
) AS came ON came.project = wish.project AND came.fingerprint = wish.fingerprint AND came.change_id = wish.change_id;

-- Every issue once, those that are merged as one.
CREATE OR REPLACE VIEW all_issues AS
SELECT
    project,
    fingerprint,
    if(status.status = '', 'open', status.status) AS status,
    title,
    culprit,
    events,
    users_affected,
    first_seen,
    last_seen,
    first_release,
    last_release,
    environments,
    level,
    status.assignee AS assignee,
    arrayFilter(one -> one != fingerprint, members) AS merged,
    status.came_back_at AS came_back_at
FROM
(
    SELECT
        issues.project AS project,
        if(issue_merges.issue = '', issues.fingerprint, issue_merges.issue) AS fingerprint,
        -- The issue that others are merged into names them all.
        argMax(issues.title, (issue_merges.issue = '', issues.last_seen)) AS title,
        argMax(issues.culprit, (issue_merges.issue = '', issues.last_seen)) AS culprit,
        toUInt64(round(sum(issues.count))) AS events,
        uniqMerge(issues.users) AS users_affected,
        min(issues.first_seen) AS first_seen,
        max(issues.last_seen) AS last_seen,
        argMinMerge(issues.first_release) AS first_release,
        argMaxMerge(issues.last_release) AS last_release,
        arraySort(groupUniqArrayArray(issues.environments)) AS environments,
        argMax(issues.level, issues.last_seen) AS level,
        groupUniqArray(issues.fingerprint) AS members
    FROM issues
    LEFT JOIN issue_merges ON issue_merges.project = issues.project AND issue_merges.fingerprint = issues.fingerprint
    GROUP BY project, fingerprint
) AS counted
LEFT JOIN issue_status AS status ON status.project = counted.project AND status.fingerprint = counted.fingerprint;

CREATE OR REPLACE VIEW open_issues AS
SELECT
    project,
    fingerprint,
    title,
    culprit,
    events,
    users_affected,
    first_seen,
    last_seen,
    first_release,
    last_release,
    environments,
    level,
    status,
    assignee,
    merged
FROM all_issues
WHERE status IN ('open', 'regressed')
ORDER BY events DESC;

CREATE OR REPLACE VIEW new_in_release AS
SELECT project, first_release AS release, fingerprint, title, events, users_affected, first_seen
FROM all_issues
WHERE release != ''
ORDER BY first_seen DESC;

CREATE OR REPLACE VIEW users_affected AS
SELECT
    hourly.project AS project,
    hourly.environment AS environment,
    toDate(hourly.hour) AS day,
    if(issue_merges.issue = '', hourly.fingerprint, issue_merges.issue) AS fingerprint,
    uniqMerge(hourly.users) AS users_affected,
    toUInt64(round(sum(hourly.count))) AS events
FROM errors_per_hour AS hourly
LEFT JOIN issue_merges ON issue_merges.project = hourly.project AND issue_merges.fingerprint = hourly.fingerprint
GROUP BY project, environment, day, fingerprint
ORDER BY users_affected DESC;
