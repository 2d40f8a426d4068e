"""The log: a JSON object a line, whatever is told, and nobody waits for it."""

from __future__ import annotations

import io
import json
import logging
import os
import threading

from hero_logic.server import journal as journal_module
from hero_logic.server.journal import Journal


def test_events_are_lines_of_json() -> None:
    """With the time, the level, the name and the facts."""
    out = io.StringIO()
    journal = Journal(out, now_s=lambda: 1.5)
    journal.tell("info", "began", text="é\n\0", of=object)
    journal.close()

    line = json.loads(out.getvalue())
    assert (line["time_ms"], line["level"], line["event"], line["text"]) == (1500.0, "info", "began", "é\n\0")
    assert out.getvalue().count("\n") == 1


def test_what_libraries_log_is_in_it() -> None:
    """Warnings and errors, with what was raised."""
    out = io.StringIO()
    journal = Journal(out)
    logger = logging.Logger("some.library")
    logger.addHandler(journal)
    logger.info("not told")
    logger.warning("%s is odd", "this")
    try:
        raise ValueError("inside")
    except ValueError:
        logger.exception("failed")
    journal.close()

    warning, error = map(json.loads, out.getvalue().splitlines())
    assert (warning["event"], warning["text"]) == ("some.library", "this is odd")
    assert "ValueError: inside" in error["traceback"]


def test_who_does_not_read_it_holds_nobody_up(monkeypatch: object) -> None:
    """Lines that do not fit are dropped, and counted."""
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as out, open(reading, encoding="utf-8") as pipe:
        journal = Journal(out)
        for number in range(journal_module.MAX_WAITING + 3000):
            journal.tell("info", "much", number=number, text="x" * 100)
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(pipe))
        reader.start()
        journal.tell("info", "last")
        journal.close()
        out.close()
        reader.join(20)

    found = [json.loads(line) for line in lines]
    dropped = sum(line["count"] for line in found if line["event"] == "lines_dropped")
    assert dropped > 0
    assert (
        len([line for line in found if line["event"] == "much"]) + dropped
        >= journal_module.MAX_WAITING + 3000
    )


def test_an_output_that_is_gone_stops_nothing() -> None:
    """Nobody reads it, and what tells it goes on."""
    out = io.StringIO()
    out.close()
    journal = Journal(out)
    journal.tell("info", "nobody hears it")
    journal.close()

    assert not journal._thread.is_alive()
