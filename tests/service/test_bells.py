"""Bells: how processes over one store wake each other."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.service.bells import Bells, Ears
from support.runtime import SOURCE_DIR
from support.waiting import wait_until


def rings(descriptor: int | None, timeout_ms: float = 0) -> bool:
    """Whether a bell was rung."""
    assert descriptor is not None
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_ms))


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """One whose path is longer than that of a socket may be."""
    return str(tmp_path / ("long" * 30) / "runtimes")


@pytest.fixture
def two(directory: str) -> Iterator[tuple[Bells, Bells]]:
    both = Bells(directory, "mine"), Bells(directory, "theirs")
    yield both
    for one in both:
        one.take_down()


def test_a_ring_wakes_the_others(two: tuple[Bells, Bells]) -> None:
    """And not who rings; however long the path of the directory is."""
    mine, theirs = (one.hang() for one in two)
    two[0].ring()

    assert rings(theirs, 5000)
    assert not rings(mine)


def test_what_was_heard_rings_no_more(two: tuple[Bells, Bells]) -> None:
    """Until the next ring."""
    theirs = two[1].hang()
    two[0].ring()
    two[1].heard()
    assert not rings(theirs)
    two[0].ring()

    assert rings(theirs)


def test_a_bell_that_nobody_hears_holds_up_nobody(two: tuple[Bells, Bells]) -> None:
    """It is full, and rings still."""
    theirs = two[1].hang()
    for _ in range(10_000):
        two[0].ring()

    assert rings(theirs)


def test_a_bell_that_was_taken_down_is_not_there(two: tuple[Bells, Bells], directory: str) -> None:
    """Its socket has gone, and ringing goes on."""
    for one in two:
        one.hang()
    two[1].take_down()
    two[0].ring()

    assert os.listdir(directory) == ["mine.bell"]


def test_the_bell_of_a_process_that_was_killed_is_taken_down(
    two: tuple[Bells, Bells], directory: str
) -> None:
    """By the next who rings."""
    code = (
        "import sys, os; sys.path.insert(0, sys.argv[1]); from hero_logic.service.bells import Bells; "
        "Bells(sys.argv[2], 'gone').hang(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, SOURCE_DIR, directory], check=False)
    assert os.listdir(directory) == ["gone.bell"]
    two[0].ring()

    assert os.listdir(directory) == []


def test_without_a_place_for_a_socket_there_is_no_bell(tmp_path: Path) -> None:
    """Nobody relies on one: no error is raised."""
    (tmp_path / "file").write_text("")
    bells = Bells(str(tmp_path / "file" / "runtimes"), "mine")

    assert bells.hang() is None
    bells.ring()
    bells.take_down()


def test_ringing_from_many_threads_is_one_ringing(two: tuple[Bells, Bells]) -> None:
    """No descriptor is left, and none is another's."""
    theirs = two[1].hang()
    two[0].ring()
    before = len(os.listdir("/proc/self/fd"))
    threads = [threading.Thread(target=lambda: [two[0].ring() for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert rings(theirs)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def ears(directory: str) -> Iterator[Ears]:
    made = Ears(Bells(directory, "mine"), look_s=3600)
    yield made
    made.close()


def test_ears_look_when_somebody_rings(ears: Ears, two: tuple[Bells, Bells]) -> None:
    """And once at the beginning."""
    looked = threading.Semaphore(0)
    ears.listen(looked.release)
    assert looked.acquire(timeout=20)
    while looked.acquire(timeout=0.05):
        pass
    two[1].ring()

    assert looked.acquire(timeout=20)


def test_ears_look_when_they_are_woken(ears: Ears) -> None:
    """By this process itself."""
    looked = threading.Semaphore(0)
    ears.listen(looked.release)
    while looked.acquire(timeout=0.05):
        pass
    ears.wake()

    assert looked.acquire(timeout=20)


def test_a_look_that_fails_is_told_and_called_again(ears: Ears) -> None:
    """The others are called all the same."""
    told: list[str] = []
    looked = threading.Semaphore(0)
    ears.on_trouble = told.append

    def fail() -> None:
        raise ValueError("boom")

    ears.listen(fail)
    ears.listen(looked.release)
    assert looked.acquire(timeout=20)
    wait_until(lambda: told, "the first failure")
    count = len(told)
    ears.wake()
    wait_until(lambda: len(told) > count, "the second failure")

    assert "boom" in told[0]


def test_who_has_ended_listening_is_not_called(ears: Ears) -> None:
    """While the others are."""
    calls: list[int] = []
    looked = threading.Semaphore(0)
    end = ears.listen(lambda: calls.append(1))
    ears.listen(looked.release)
    assert looked.acquire(timeout=20)
    end()
    while looked.acquire(timeout=0.05):
        pass
    calls.clear()
    ears.wake()
    assert looked.acquire(timeout=20)

    assert calls == []


def test_ears_that_are_closed_leave_nothing(directory: str) -> None:
    """No thread, no socket, no descriptor; harmless twice."""
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    ears = Ears(Bells(directory, "mine"))
    looked = threading.Event()
    ears.listen(looked.set)
    assert looked.wait(20)
    ears.close()
    ears.close()

    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert os.listdir(directory) == []


def test_a_bell_takes_rings_of_its_owner_alone(two: tuple[Bells, Bells], directory: str) -> None:
    """The directory is closed to others."""
    two[0].hang()

    assert os.stat(directory).st_mode & 0o777 == 0o700
