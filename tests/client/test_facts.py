"""What a server says, as records: nothing is lost on the way, and nothing is added."""

from __future__ import annotations

import msgspec
import pytest

from hero_logic.client.facts import PlayFactsRead, PlaysRead, as_outline, as_play, as_row, as_span
from hero_logic.core.documents import LeftOut, PlayOutline, ToldSpan
from hero_logic.core.records import Access, Artifact, Counters, Play, Sandbox
from hero_logic.service.document import facts_document, list_document

PLAY = Play(
    "p",
    flow="census",
    status="failed",
    input_json='{"a":1.50,"b":12345678901234567890123}',
    output_json='{"c":[1.0]}',
    error="no",
    created_ms=1.0,
    start_ms=2.0,
    end_ms=3.5,
    exit_code=1,
    stdout="out",
    stderr="err",
    artifacts=[Artifact("a.txt", 3)],
    sandbox=Sandbox("tier1", "native", "rlimits", "nobody"),
    access=Access(needs={"read": ["x"]}, grants={"read": ["/x"]}),
    counters=Counters(1, 2, 3, 4, 5),
    span_count=7,
    runtime_sid="r",
    retry_of="o",
    parent_play_sid="q",
    parent_span_id="s",
    asked_by="somebody",
)


def told(logs: str, **more: object) -> ToldSpan:
    fields = dict.fromkeys(ToldSpan.__struct_fields__, "") | {
        "span_id": "a", "start_ms": 1.0, "end_ms": None, "tags": {"k": 1}, "logs": logs, "source_line": 3,
        "ordinal": 4, "revision": 9, "log_bytes": 0,
    }  # fmt: skip
    return ToldSpan(**{**fields, **more})


@pytest.mark.parametrize(
    "play", [PLAY, Play("p"), Play("p", output_json=None, status="running", runtime_sid="r")]
)
def test_a_play_is_the_same_document_again(play: Play) -> None:
    """Its numbers are written as they came; which version and which runtime is not said."""
    again = as_play(msgspec.json.decode(facts_document(play), type=PlayFactsRead))

    assert facts_document(again) == facts_document(play)
    assert again.is_waiting == play.is_waiting


def test_a_play_of_a_list_is_the_same_in_a_list() -> None:
    """What is heavy is not there."""
    text = list_document([PLAY], None)
    [facts] = msgspec.json.decode(text, type=PlaysRead).plays

    assert list_document([as_play(facts)], None) == text
    assert as_play(facts).stdout == ""


def test_of_logs_what_is_new_is_told() -> None:
    """Counted in bytes, which may be more than characters."""
    known: dict[str, int] = {}
    first = as_row(told("ä"), known)
    second = as_row(told("ä\nö"), known)

    assert (first.new_logs, first.log_bytes) == ("ä", 2)
    assert (second.new_logs, second.log_bytes) == ("\nö", 5)
    assert as_row(told("ä\nö")).new_logs == "ä\nö"


def test_logs_that_were_not_read_are_counted() -> None:
    """Their size is said where they are not."""
    row = as_row(told("", log_bytes=12))

    assert (row.log_bytes, row.new_logs, row.ordinal, row.revision) == (12, "", 4, 9)


def test_a_span_is_without_its_place() -> None:
    """As the document of a play has it."""
    span = as_span(told("x"))

    assert (span.span_id, span.logs, hasattr(span, "ordinal")) == ("a", "x", False)


def test_an_outline_is_what_a_face_loads() -> None:
    """Rows, counts, and what was left out, by parent."""
    outline = as_outline(
        PlayOutline(
            revision=9,
            spans=[told("")],
            counts={"ok": 3},
            left_out={"": LeftOut(count=2, after=4)},
            lost_parents=["gone"],
        )
    )

    assert [row.span_id for row in outline.rows] == ["a"]
    assert (outline.revision, outline.counts, outline.left_out) == (9, {"ok": 3}, {"": (2, 4)})
    assert outline.lost_parents == frozenset({"gone"})
