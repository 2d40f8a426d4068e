"""What a loop waits with: the same rules for epoll and for poll."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from hero_logic.runner.readiness import EpollReadiness, PollReadiness, best_readiness

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=[EpollReadiness, PollReadiness], ids=["epoll", "poll"])
def readiness(request: pytest.FixtureRequest) -> Iterator[EpollReadiness | PollReadiness]:
    made = request.param()
    yield made
    made.close()
    made.close()


@pytest.fixture
def pair() -> Iterator[Callable[[], Pair]]:
    made: list[socket.socket] = []

    def make() -> Pair:
        ours, theirs = socket.socketpair()
        made.extend((ours, theirs))
        return ours, theirs

    yield make
    for one in made:
        one.close()


def test_a_descriptor_of_no_group_is_called_by_its_number(
    readiness: EpollReadiness, pair: Callable[[], Pair]
) -> None:
    """Nothing is ready before something is there to read."""
    ours, theirs = pair()
    readiness.add(ours.fileno())
    before = readiness.wait(0)
    theirs.send(b"x")

    assert (before, readiness.wait(None)) == ([], [ours.fileno()])


def test_a_group_is_told_once_however_many_of_it_are_ready(
    readiness: EpollReadiness, pair: Callable[[], Pair]
) -> None:
    """By a key that is its own; those that are idle do not show."""
    groups = [readiness.group() for _ in range(3)]
    for group in groups:
        for _ in range(10):
            ours, theirs = pair()
            group.add(ours.fileno())
            if group is not groups[1]:
                theirs.send(b"x")

    assert sorted(readiness.wait(0)) == sorted([groups[0].key, groups[2].key])
    assert len({group.key for group in groups}) == 3


def test_the_ready_ones_of_a_group_come_in_rotation(
    readiness: EpollReadiness, pair: Callable[[], Pair]
) -> None:
    """Those that stay ready come again after all others."""
    group = readiness.group()
    pairs = [pair() for _ in range(7)]
    for ours, theirs in pairs:
        group.add(ours.fileno())
        theirs.send(b"x")
    group.add(pair()[0].fileno())
    taken = [descriptor for _ in range(7) for descriptor in group.take(3)]

    descriptors = {ours.fileno() for ours, _ in pairs}
    assert len(taken) == 21
    assert all(set(taken[start : start + 7]) == descriptors for start in (0, 7, 14))


def test_a_group_that_is_paused_is_passed_over(readiness: EpollReadiness, pair: Callable[[], Pair]) -> None:
    """Also with what is added or removed meanwhile; twice is as once."""
    group, other = readiness.group(), readiness.group()
    (first, first_in), (second, second_in), (others, others_in) = pair(), pair(), pair()
    group.add(first.fileno())
    other.add(others.fileno())
    group.pause()
    group.pause()
    group.add(second.fileno())
    group.remove(first.fileno())
    for theirs in (first_in, second_in, others_in):
        theirs.send(b"x")
    while_paused = readiness.wait(0)
    group.resume()
    group.resume()

    assert while_paused == [other.key]
    assert sorted(readiness.wait(0)) == sorted([group.key, other.key])
    assert group.take(8) == [second.fileno()]


def test_a_group_that_is_closed_is_told_no_more(readiness: EpollReadiness, pair: Callable[[], Pair]) -> None:
    """Its descriptors stay open, and may be watched by another group."""
    group = readiness.group()
    ours, theirs = pair()
    group.add(ours.fileno())
    theirs.send(b"x")
    group.close()
    while_closed = readiness.wait(0)
    other = readiness.group()
    other.add(ours.fileno())

    assert (while_closed, readiness.wait(0)) == ([], [other.key])


def test_closing_leaves_no_descriptor_open() -> None:
    """Neither of the groups nor of the whole."""
    before = len(os.listdir("/proc/self/fd"))
    readiness = best_readiness()
    readiness.group().close()
    readiness.close()

    assert len(os.listdir("/proc/self/fd")) == before
