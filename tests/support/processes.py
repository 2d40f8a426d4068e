"""Finding the processes of a play, by a marker that their environment carries."""

from __future__ import annotations

import os
from pathlib import Path

from support.waiting import wait_until


def pids_with(marker: str) -> list[int]:
    """The living processes whose environment or command line holds the marker, this one left out."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            text = Path(f"/proc/{name}/environ").read_bytes() + Path(f"/proc/{name}/cmdline").read_bytes()
            state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if marker.encode() in text and state not in "ZX":
            found.append(int(name))
    return found


def wait_until_gone(marker: str, *, timeout_s: float) -> None:
    """Wait until no process carries the marker; fail if one does for longer."""
    wait_until(lambda: not pids_with(marker), f"the end of every process of {marker}", timeout_s=timeout_s)


def parent_of(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
