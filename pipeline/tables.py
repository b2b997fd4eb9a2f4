"""Tables: the columns of every table that workers write rows of events to."""

from __future__ import annotations

from pipeline.alert_rows import ALERT_COLUMNS, ALERTS_TABLE
from pipeline.check_in_rows import CHECK_IN_COLUMNS, CHECK_INS_TABLE
from pipeline.feedback_rows import FEEDBACK_COLUMNS, FEEDBACK_TABLE
from pipeline.issue_rows import ISSUE_CHANGE_COLUMNS, ISSUE_CHANGES_TABLE
from pipeline.log_rows import LOG_COLUMNS, LOGS_TABLE
from pipeline.outcome_rows import OUTCOME_COLUMNS, OUTCOMES_TABLE
from pipeline.rows import ERROR_COLUMNS, ERRORS_TABLE, SPAN_COLUMNS, SPANS_TABLE
from pipeline.session_rows import (
    SESSION_AGGREGATE_COLUMNS,
    SESSION_AGGREGATES_TABLE,
    SESSION_COLUMNS,
    SESSIONS_TABLE,
)

COLUMNS = {
    ERRORS_TABLE: ERROR_COLUMNS,
    SPANS_TABLE: SPAN_COLUMNS,
    ALERTS_TABLE: ALERT_COLUMNS,
    SESSIONS_TABLE: SESSION_COLUMNS,
    SESSION_AGGREGATES_TABLE: SESSION_AGGREGATE_COLUMNS,
    LOGS_TABLE: LOG_COLUMNS,
    CHECK_INS_TABLE: CHECK_IN_COLUMNS,
    FEEDBACK_TABLE: FEEDBACK_COLUMNS,
    OUTCOMES_TABLE: OUTCOME_COLUMNS,
    ISSUE_CHANGES_TABLE: ISSUE_CHANGE_COLUMNS,
}
"""The columns of each table's rows, in their order."""
