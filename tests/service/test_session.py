"""All services over one store: each is made when it is first needed, and once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hero_logic.service import bells
from support.serving import session_over


def test_ears_that_two_threads_ask_for_at_once_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who listens at ears that nobody keeps hears nothing; the writer's thread and the play's both ask."""
    both_ask, made = threading.Barrier(2), []
    make = bells.Bells

    def made_slowly(directory: str, own_sid: str) -> bells.Bells:
        made.append(own_sid)
        threading.Event().wait(0.05)
        return make(directory, own_sid)

    monkeypatch.setattr(bells, "Bells", made_slowly)
    with session_over(tmp_path) as session, ThreadPoolExecutor(2) as pool:

        def ask(_: int) -> bells.Ears:
            both_ask.wait(10)
            return session.ears

        one, other = pool.map(ask, range(2))

    assert one is other
    assert len(made) == 1
