"""What waits to be folded: bounded, in order, and taken in turns that are fair by time."""

from __future__ import annotations

import threading

import pytest

from hero_logic.core.errors import StoreError
from hero_logic.core.lines import Chunk
from hero_logic.service.turns import Item, Lane, Turns

KIB = 1024


def chunk(text: str, size_bytes: int = 10, *, source: str = "", position: int = 0) -> Chunk:
    data = text.encode().ljust(size_bytes)
    return Chunk(data, source=source or text, position=position, received_ms=float(position))


def taken(turns: Turns) -> tuple[Lane, Item]:
    found = turns.take()
    assert found is not None
    return found


def text_of(item: Item) -> str:
    assert isinstance(item, Chunk)
    return item.data.decode().strip()


def test_a_lane_keeps_its_order() -> None:
    """Lines, ends of sources and who waits come out as they went in."""
    turns = Turns()
    lane = Lane(turns)
    done = threading.Event()
    items: list[Item] = [chunk("a"), "1", chunk("b"), done]
    for item in items:
        lane.put(item)

    assert [taken(turns)[1] for _ in items] == items
    assert turns.take() is None


def test_small_chunks_of_a_source_come_as_one() -> None:
    """A writer of single lines is read a few lines at a time: what a chunk costs is paid once for many."""
    turns = Turns()
    lane = Lane(turns)
    first, second, third = (
        chunk(text, 2, source="1", position=end) for text, end in [("a", 2), ("b", 9), ("c", 11)]
    )
    second.oversize = 1
    for one in (first, second, third, chunk("d", 2, source="2")):
        lane.put(one)
    joined = taken(turns)[1]
    assert isinstance(joined, Chunk)

    assert (joined.data, joined.source) == (b"a b c ", "1")
    assert (joined.position, joined.received_ms, joined.oversize) == (11, 2.0, 1)
    assert text_of(taken(turns)[1]) == "d"


def test_joined_chunks_stay_small_enough_for_a_turn() -> None:
    """Fairness is by whole items."""
    turns = Turns()
    lane = Lane(turns)
    for _ in range(64):
        lane.put(chunk("x", 16 * KIB, source="1"))
    sizes = []
    while (found := turns.take()) is not None:
        assert isinstance(found[1], Chunk)
        sizes.append(len(found[1].data))

    assert sum(sizes) == 64 * 16 * KIB
    assert max(sizes) == 128 * KIB


def test_the_lane_that_cost_least_comes_next() -> None:
    """One chunk of a lane that is slow to fold, then as many of the other as take as long."""
    turns = Turns()
    slow, quick = Lane(turns), Lane(turns)
    for number in range(10):
        slow.put(chunk(f"slow {number}"))
        quick.put(chunk(f"quick {number}"))
    order = []
    for _ in range(9):
        lane, _item = taken(turns)
        order.append("slow" if lane is slow else "quick")
        turns.charge(lane, 1.0 if lane is slow else 0.25)

    assert order.count("slow") == 2
    assert order.count("quick") == 7


def test_who_was_idle_has_saved_nothing_up() -> None:
    """A lane that comes back takes turns with the others at once, and does not hold them up."""
    turns = Turns()
    busy, idle = Lane(turns), Lane(turns)
    for number in range(20):
        busy.put(chunk(str(number)))
    for _ in range(10):
        turns.charge(taken(turns)[0], 1.0)
    for number in range(20):
        idle.put(chunk(str(number)))
    order = []
    for _ in range(6):
        lane, _item = taken(turns)
        turns.charge(lane, 1.0)
        order.append(lane is busy)

    assert order.count(True) == 3


def test_many_plays_share_what_there_is_and_each_may_queue_something() -> None:
    """The sum is bounded; a play that has nothing queued is never refused for what others have."""
    turns = Turns()
    lanes = [Lane(turns) for _ in range(8)]
    for lane in lanes[:-1]:
        while lane.put(chunk("x", 512 * KIB)):
            pass

    assert turns._queued_bytes < 40 * 1024 * KIB
    assert not lanes[-1].put(chunk("x"))
    assert text_of(next(iter(lanes[-1]._items))) == "x"


def test_a_lane_is_told_when_it_has_room_again() -> None:
    """Once, and not before half of its room is free: a reader that is woken should have something to do."""
    turns = Turns()
    lane = Lane(turns)
    told: list[int] = []
    count = 1
    while lane.put(chunk("x", 512 * KIB)):
        count += 1
    lane.on_room = lambda: told.append(len(lane._items))
    while turns.take() is not None:
        pass

    assert len(told) == 1
    assert told[0] <= count // 2


def test_who_reads_a_file_waits_for_room() -> None:
    """And goes on once there is."""
    turns = Turns()
    lane = Lane(turns)
    while lane.put(chunk("x", 512 * KIB)):
        pass
    reader = threading.Thread(target=lane.wait_for_room)
    reader.start()
    while turns.take() is not None:
        pass
    reader.join(30)

    assert not reader.is_alive()


def test_who_waits_for_an_item_does_not_wait_for_the_pause() -> None:
    """A flush, a queue that fills and the end are pressing."""
    turns = Turns()
    Lane(turns).put(threading.Event())

    assert turns.wait_for_work(rests_until_s=1e18)


def test_a_queue_that_fills_does_not_wait_for_the_pause() -> None:
    """What is there is worth a transaction."""
    turns = Turns()
    Lane(turns).put(chunk("x", 2 * 1024 * KIB))

    assert turns.wait_for_work(rests_until_s=1e18)


def test_the_end_comes_after_all_that_was_queued() -> None:
    """Nothing that was put is left behind."""
    turns = Turns()
    Lane(turns).put(chunk("x"))
    turns.end()
    has_work = turns.wait_for_work(rests_until_s=1e18)
    turns.take()

    assert has_work
    assert not turns.wait_for_work(rests_until_s=0.0)


def test_nobody_waits_for_who_takes_no_more() -> None:
    """Who waits is woken, who is held up is let go, and who puts is told."""
    turns = Turns()
    lane = Lane(turns)
    done = threading.Event()
    lane.put(done)
    while lane.put(chunk("x", 512 * KIB)):
        pass
    freed: list[bool] = []
    lane.on_room = lambda: freed.append(True)
    turns.fail(ZeroDivisionError("a bug"))

    assert done.is_set()
    assert freed == [True]
    lane.wait_for_room()
    with pytest.raises(StoreError, match="a bug"):
        lane.put(chunk("y"))
