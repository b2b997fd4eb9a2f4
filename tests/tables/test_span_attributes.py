"""Streamed spans: fields that stand in attributes are found there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import Raw

from pipeline.payload.decode import decode
from pipeline.records.record import Origin
from pipeline.tables.rows import SPAN_COLUMNS, span_rows
from pipeline.tables.span_attributes import with_attributes
from schemas.event import Attribute, Event

SPANS = Path(__file__).parents[2] / "schemas" / "examples" / "spans"
STREAMED = sorted(file for file in SPANS.glob("*-span.json") if "attributes" in json.loads(file.read_bytes()))
ORIGIN = Origin("spans", 0, 0, 1_795_309_940_000, "shop", 0)


@pytest.mark.parametrize("file", STREAMED, ids=lambda file: file.stem)
def test_a_streamed_span_has_its_operation_release_environment_and_segment_in_columns(file: Path) -> None:
    sent = {name: attribute["value"] for name, attribute in json.loads(file.read_bytes())["attributes"].items()}
    (values,) = span_rows(decode(file.read_bytes()), ORIGIN, {})
    row = dict(zip(SPAN_COLUMNS, values, strict=True))
    assert row["op"] == sent.get("sentry.op", "")
    assert row["release"] == sent["sentry.release"]
    assert row["environment"] == sent["sentry.environment"]
    assert row["transaction"] == sent["sentry.segment.name"]
    assert row["segment_id"] == sent["sentry.segment.id"]


def test_a_field_wins_over_the_attribute_of_the_same_meaning() -> None:
    event = Event(op="db", attributes={"sentry.op": Attribute(Raw(b'"http"')), "sentry.release": None})
    assert with_attributes(event).op == "db"
    assert with_attributes(event).release is None


def test_an_attribute_that_is_no_scalar_is_passed_over() -> None:
    event = Event(attributes={"sentry.op": Attribute(Raw(b'["http"]'))})
    assert with_attributes(event).op is None
