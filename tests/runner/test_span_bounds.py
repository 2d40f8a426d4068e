"""What all plays of a loop share: docs/protocol.md, "Oversize lines", and the descriptors of a process."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator

import pytest

from hero_logic.core.lines import LineBuffer
from hero_logic.runner.span_bounds import ConnectionRoom, UnfinishedBudget

# Unfinished lines


class Held:
    """Connections that share a budget."""

    def __init__(self, max_bytes: int, connections: int) -> None:
        self.budget = UnfinishedBudget(max_bytes)
        self.lines = [LineBuffer() for _ in range(connections)]
        for lines in self.lines:
            self.budget.add(lines)

    def feed(self, index: int, data: bytes) -> None:
        lines = self.lines[index]
        before_bytes = lines.unfinished_bytes
        lines.feed(data)
        self.budget.changed(lines, before_bytes)

    @property
    def sizes(self) -> list[int]:
        return [lines.unfinished_bytes for lines in self.lines]


def test_up_to_the_budget_nothing_is_discarded() -> None:
    """The budget itself may be held."""
    held = Held(30, 3)
    for index in range(3):
        held.feed(index, b"x" * 10)

    assert held.sizes == [10, 10, 10]


def test_past_the_budget_the_longest_is_discarded() -> None:
    """Whoever it belongs to, and not who passed the budget."""
    held = Held(30, 3)
    held.feed(0, b"x" * 10)
    held.feed(1, b"x" * 15)
    held.feed(2, b"x" * 6)

    assert held.sizes == [10, 0, 6]
    assert [lines.oversize for lines in held.lines] == [0, 1, 0]


def test_a_line_that_has_ended_is_free_again() -> None:
    """By its newline, or with its connection."""
    held = Held(30, 3)
    held.feed(0, b"x" * 15)
    held.feed(1, b"x" * 15)
    held.feed(0, b"\n")
    held.feed(2, b"x" * 15)
    held.budget.remove(held.lines[1])
    held.feed(0, b"x" * 15)

    assert held.sizes == [15, 15, 15]
    assert [lines.oversize for lines in held.lines] == [0, 0, 0]


def test_whatever_comes_it_is_always_the_longest_that_goes() -> None:
    """The same lines are discarded as by a search through all connections at each change."""
    choose = random.Random(7)
    held = Held(2000, 40)
    expected = [0] * 40
    discarding = [False] * 40
    discards = 0
    for _ in range(5_000):
        index = choose.randrange(40)
        data = b"x" * choose.choice([1, 3, 20, 90, 300])
        is_ended = choose.random() < 0.15
        held.feed(index, data + b"\n" if is_ended else data)
        if is_ended:
            expected[index], discarding[index] = 0, False
        elif not discarding[index]:
            expected[index] += len(data)
        if sum(expected) > 2000:
            gone = next(i for i, size in enumerate(expected) if size == max(expected) > held.sizes[i])
            expected[gone], discarding[gone] = 0, True
            discards += 1
        assert held.sizes == expected
        assert held.budget.held_bytes == sum(expected) <= 2000

    assert discards > 200


def test_staying_at_the_edge_searches_through_all_connections_once() -> None:
    """Ten thousand connections that each pass the budget again cost no ten thousand searches."""
    searched = 0

    class Counting(set[LineBuffer]):
        def __iter__(self) -> Iterator[LineBuffer]:
            nonlocal searched
            searched += 1
            return super().__iter__()

    held = Held(100_000, 10_000)
    held.budget._buffers = Counting(held.budget._buffers)
    for index in range(10_000):
        held.feed(index, b"x" * 10)
    for _ in range(3):
        for index in range(10_000):
            held.feed(index, b"x")

    assert sum(lines.oversize for lines in held.lines) > 1000
    assert searched <= 3


# Connections


@pytest.fixture
def room() -> Iterator[ConnectionRoom]:
    """Of a process with 228 descriptors: a hundred for connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (228, hard))
    try:
        yield ConnectionRoom()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fill(room: ConnectionRoom) -> int:
    own = 0
    while room.is_there(own):
        room.take()
        own += 1
    return own


def test_a_greedy_play_leaves_a_place_for_the_next(room: ConnectionRoom) -> None:
    """Each takes eight ninths of what the ones before have left."""
    room.plays = 2

    assert fill(room) == 82
    assert fill(room) == 9
    assert fill(room) == 1


def test_plays_themselves_take_descriptors(room: ConnectionRoom) -> None:
    """Each has a few of its own besides its connections; a few connections there are always."""
    room.plays = 10
    of_ten = fill(room)
    room = ConnectionRoom()
    room.plays = 1000

    assert (of_ten, fill(room)) == (54, 15)


def test_who_waits_for_room_is_told_when_a_connection_ends(room: ConnectionRoom) -> None:
    """Once: who still finds none waits anew."""
    told: list[str] = []
    room.take()
    room.take()
    room.wait(lambda: told.append("a"))
    room.wait(lambda: told.append("b"), retry_at_s=5.0)
    retry_at_s = room.retry_at_s
    room.give_back()
    room.give_back()

    assert (told, retry_at_s, room.retry_at_s) == (["a", "b"], 5.0, None)
