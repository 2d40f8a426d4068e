"""Where methods are done: each thread with its own connection, and what is remembered only while it holds."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from hero_logic.core.errors import NotFound
from hero_logic.server.desks import READERS, Desk, Lobby
from support.serving import begin_play, session_over, span_start


def test_what_is_remembered_is_found_again_after_any_write(tmp_path: Path) -> None:
    """By this process or by another, to this key or to none."""
    with session_over(tmp_path / "home") as session, session_over(tmp_path / "home") as other:
        desk = Desk(session, session.store.reader())
        found: list[int] = []

        def find() -> bytes:
            found.append(1)
            return b"%d" % len(found)

        assert [desk.remembered("a", find) for _ in range(3)] == [b"1"] * 3
        begin_play(session, "own")
        assert [desk.remembered("a", find) for _ in range(2)] == [b"2"] * 2
        begin_play(other, "foreign")
        assert desk.remembered("a", find) == b"3"
        desk.store.close()


def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    """What is not there may come."""
    with session_over(tmp_path / "home") as session:
        desk = Desk(session, session.store.reader())

        def fail() -> bytes:
            raise NotFound("no")

        with pytest.raises(NotFound):
            desk.remembered("a", fail)
        assert desk.remembered("a", lambda: b"there") == b"there"
        desk.store.close()


def test_threads_read_side_by_side(tmp_path: Path) -> None:
    """As many as there are, none waiting for another, and the loop for none of them."""
    with session_over(tmp_path / "home") as session:

        async def run() -> None:
            lobby = Lobby(session)
            meeting = threading.Barrier(READERS + 1)
            reads = [
                asyncio.ensure_future(lobby.reading(lambda desk: meet(desk, meeting))) for _ in range(READERS)
            ]
            assert lobby.at_loop.store.revision() == 0
            await asyncio.to_thread(meeting.wait, 10)
            stores = await asyncio.gather(*reads)
            assert len(set(stores)) == READERS
            await lobby.close()

        asyncio.run(run())


def meet(desk: Desk, meeting: threading.Barrier) -> int:
    """Read, and go on when all do."""
    desk.store.revision()
    meeting.wait(10)
    return id(desk.store)


def test_a_play_is_found_under_last(tmp_path: Path) -> None:
    """The one that was created last."""
    with session_over(tmp_path / "home") as session:
        desk = Desk(session, session.store)
        with pytest.raises(NotFound):
            desk.sid("last")
        begin_play(session, "one")
        session.ingest.apply_event_json("one", span_start("a"))

        assert (desk.sid("last"), desk.sid("other")) == ("one", "other")
