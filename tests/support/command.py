"""The ``hero-logic`` command as a user calls it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

COMMAND = [sys.executable, "-m", "hero_logic"]


def environment(**more: str) -> dict[str, str]:
    """The test's environment, in which the command finds its own code."""
    source = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src")
    return {**os.environ, "PYTHONPATH": source, **more}


def hero_logic(
    *arguments: str, stdin: bytes = b"", timeout_s: float = 60, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end; ``more`` are variables of its environment."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        env=environment(**more),
        timeout=timeout_s,
        check=False,
    )


def start(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
    """Start a command and go on; what were buffered of its output here, ``communicate`` would not see."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**more),
    )


def shown(sid: str) -> dict[str, Any]:
    """The document of a play, by ``show --json``."""
    result = hero_logic("show", sid, "--json")
    assert result.returncode == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def last_line(output: bytes) -> str:
    """The last line of what a command printed."""
    return output.decode().splitlines()[-1]


def difference(
    expected: Any, found: Any, *, start_ms: float, end_ms: float, place: str = ""
) -> Sequence[str]:
    """Where a document differs from an expected one of the shared vectors, as the vectors' README has it."""
    if isinstance(expected, dict) and set(expected) == {"$between"}:
        return [] if start_ms <= found <= end_ms else [f"{place}: {found} is not within the run"]
    if isinstance(expected, dict):
        return [
            line
            for key, value in expected.items()
            for line in difference(
                value, found.get(key), start_ms=start_ms, end_ms=end_ms, place=f"{place}.{key}"
            )
        ]
    if isinstance(expected, list):
        if not isinstance(found, list) or len(expected) != len(found):
            return [f"{place}: {found!r} is not a list of {len(expected)}"]
        return [
            line
            for number, (value, other) in enumerate(zip(expected, found, strict=True))
            for line in difference(value, other, start_ms=start_ms, end_ms=end_ms, place=f"{place}[{number}]")
        ]
    is_same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return [] if is_same else [f"{place}: {found!r}, expected {expected!r}"]
