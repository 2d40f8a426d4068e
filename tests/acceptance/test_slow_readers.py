"""Whoever reads what a run prints may take their time: the record does not wait for them."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import hero_logic, start
from support.waiting import wait_until

MANY_STEPS = """
from hero_tracing import flow

@flow
def many():
    for number in range(3000):
        with flow.step("a step with a name that is long enough to fill a pipe with a thousand of it " * 2):
            pass
    return 3000
"""


def test_a_reader_that_pauses_holds_up_no_record(tmp_path: Path) -> None:
    """As in a pager that is not scrolled: the play is recorded whole, and has its end."""
    (tmp_path / "many.py").write_text(MANY_STEPS)
    with start("run", str(tmp_path / "many.py")) as runtime:

        def has_ended() -> bool:
            plays = json.loads(hero_logic("ls", "--json").stdout)["plays"]
            return bool(plays) and plays[0]["status"] == "ok"

        wait_until(has_ended, "the play has its end while nobody reads", timeout_s=30)
        output, _ = runtime.communicate(timeout=30)

    assert output.splitlines()[-1] == b"3000"
    assert runtime.returncode == 0
