"""Parts of a play as JSON: lines for what changes, documents for what failed and what spans took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hero_logic.core.records import NameStats, Play, Span, SpanRow
from hero_logic.service.document import list_document
from hero_logic.service.extracts import (
    change_lines,
    failed_document,
    play_line,
    span_line,
    stats_document,
)

PLAY = Play("p", flow="census", status="running", span_count=3, revision=9, input_json='{"heavy":1}')
ROW = SpanRow(0, "a", 1.0, name="n", tags={"k": [1]}, log_bytes=12, new_logs="[1] hi", revision=7)
STATS = NameStats("n", 3, 1, 60.0, 10.0, 30.0, 20.0, 30.0)


def span_of(span_id: str) -> Span:
    return Span(span_id, "", "n", "step", 1.0, 2.0, "failed", {}, "[1] x", "E", "", "", "", "", 0)


def test_a_play_is_a_line_with_what_a_list_has_of_it() -> None:
    """Its number of spans and its revision besides; nothing heavy."""
    line = json.loads(play_line(PLAY))
    [listed] = json.loads(list_document([PLAY], None))["plays"]

    assert line == {"type": "play", "revision": 9, **listed, "span_count": 3}


def test_a_span_is_a_line_with_its_new_logs() -> None:
    """All else of it as in the document of its play."""
    line = json.loads(span_line(ROW))

    assert set(line) == {*Span.__struct_fields__, "type", "revision", "log_bytes", "new_logs"} - {"logs"}
    assert (line["type"], line["revision"], line["new_logs"], line["log_bytes"]) == ("span", 7, "[1] hi", 12)
    assert (line["span_id"], line["tags"], line["end_ms"]) == ("a", {"k": [1]}, None)


def test_each_line_is_one() -> None:
    """Whatever is in it."""
    row = SpanRow(0, "a", 1.0, name="two\nlines", new_logs="x\ny\n", revision=1)

    assert span_line(row).count(b"\n") == 1


def test_changes_come_in_the_order_of_their_revisions() -> None:
    """A play that has ended is left out: its end is told when all else has been."""
    rows = [SpanRow(0, "a", 1.0, revision=12), SpanRow(1, "b", 1.0, revision=8)]
    ended = Play("q", status="ok", revision=20)
    lines = [json.loads(line) for line in change_lines([PLAY, ended], rows)]

    assert [line.get("span_id") or line["sid"] for line in lines] == ["b", "p", "a"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_failed_is_one_document(count: int) -> None:
    """However many spans."""
    spans = [span_of(str(number)) for number in range(count)]
    document = json.loads(b"".join(failed_document("p", spans)))

    assert (document["schema"], document["sid"]) == (1, "p")
    assert [span["logs"] for span in document["spans"]] == ["[1] x"] * count


def test_what_spans_took_is_one_document() -> None:
    """With whether there were more names."""
    document = json.loads(stats_document("p", [STATS], is_all=False))

    assert document["names"][0]["p95_ms"] == 30.0
    assert (document["schema"], document["sid"], document["is_all"]) == (1, "p", False)


def test_every_key_of_these_is_on_the_page_of_documents() -> None:
    """docs/json.md names each of them."""
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    documents = [json.loads(play_line(PLAY)), json.loads(span_line(ROW))]
    stats = json.loads(stats_document("p", [STATS], is_all=True))
    keys = {key for document in [*documents, stats, stats["names"][0]] for key in document}

    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
