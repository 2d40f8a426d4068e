"""Waiting in tests: for something that becomes true, with a deadline, and never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

Value = TypeVar("Value")

_PAUSE_S = 0.005


def wait_until(look: Callable[[], Value], what: str, *, timeout_s: float = 20.0) -> Value:
    """Look until there is something true to see, and give it; fail with ``what`` past the deadline."""
    never = Event()
    until_s = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < until_s, f"{what}: not within {timeout_s} s"
        never.wait(_PAUSE_S)
    return seen
