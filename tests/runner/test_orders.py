"""What a runtime and a supervisor say to each other."""

from __future__ import annotations

import marshal
import os
from pathlib import Path

import pytest

from hero_logic.runner.orders import Orders, read_exit_record, write_exit_record


def test_the_exit_record_is_whole_or_not_there(tmp_path: Path) -> None:
    """It is put in its place at one stroke, and read back as it was."""
    path = str(tmp_path / "exit")
    assert read_exit_record(path) is None
    write_exit_record(path, {"reason": "exited", "exit_code": 0})

    assert read_exit_record(path) == {"reason": "exited", "exit_code": 0}
    assert os.listdir(tmp_path) == ["exit"]


@pytest.mark.parametrize("data", [b"", b"\x00", b"garbage", marshal.dumps([1]), marshal.dumps({"a": 1})[:-2]])
def test_a_damaged_exit_record_is_none(tmp_path: Path, data: bytes) -> None:
    """It is told as one that is not there."""
    path = tmp_path / "exit"
    path.write_bytes(data)

    assert read_exit_record(str(path)) is None


def test_orders_survive_their_journey() -> None:
    """What was dumped is what is loaded."""
    orders = Orders()
    orders.connected = []
    for number, name in enumerate(Orders.__slots__):
        setattr(orders, name, number)

    loaded = Orders.load(orders.dump())

    assert [getattr(loaded, name) for name in Orders.__slots__] == list(range(len(Orders.__slots__)))
