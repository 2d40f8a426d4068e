"""What all processes of a play use together, held against limits that the kernel has for one process alone.

The supervisor asks every fifth of a second; there is no control group that an ordinary user could have on
every host. Laws:

1. A look is short, whatever the play did: the tree of files is walked a little at a time.
2. Nothing is followed that the play could have put there: no link, no other file system's root.
3. What is just going counts as nothing: a process that ends, a directory that is removed. What is hidden
   from us counts as too much.
4. Between two looks a play may pass its limits; what it may do then is bounded by those of each process.
"""

from __future__ import annotations

import errno
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_S = 0.2
_WALK_S = 0.005
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_BLOCK_BYTES = 512


class Watcher:
    """Looks at one play.

    Args:
        limits: those of ``TREE_LIMITS`` in core/policy.py, None for none.
        work_dir: its work directory.
        also: files elsewhere that the play can write to.
    """

    def __init__(self, limits: dict[str, int | None], work_dir: str, *, also: tuple[str, ...] = ()) -> None:
        self._limits = limits
        self._work_dir = work_dir
        self._also = also
        self._walk: Iterator[None] = iter(())
        self._walked_bytes = 0
        self._walked_files = 0
        self._disk_bytes = 0
        self._files = 0
        self._last_cpu_s = 0.0
        self._vanished_cpu_s = 0.0

    def exceeded(self, pids: list[int], play_pid: int | None = None) -> tuple[str, float, float] | None:
        """The first limit that these processes and their play's files pass: (its name, used, limit).

        Orphans of the play's that have ended are reaped here, where they became children of this process,
        as they do without a pid namespace: nobody in the play could, and they are none of its processes.
        ``play_pid`` is the child whose end somebody else waits for; without it none is reaped.
        """
        self._walk_some()
        processes, cpu_s, ended = _processes_and_cpu(pids, play_pid)
        places = [_place_of(pid) for pid in pids]
        open_files, nameless_bytes = _open_files(places)
        nameless_bytes += sum(_blocks_bytes(path) for path in self._also)
        for name, used in (
            ("tree_processes", processes),
            ("tree_cpu_s", self._cpu_s(cpu_s, _reap(ended))),
            ("tree_open_files", open_files),
            ("tree_disk_bytes", max(self._disk_bytes, self._walked_bytes) + nameless_bytes),
            ("tree_files", max(self._files, self._walked_files)),
        ):
            limit = self._limits.get(name)
            if limit is not None and used > limit:
                return name, used, limit
        limit = self._limits.get("tree_memory_bytes")
        if limit is not None and (used := memory_bytes(places, limit)) > limit:
            return "tree_memory_bytes", used, limit
        return None

    def _cpu_s(self, now_s: float, reaped_s: float) -> float:
        """Processor time so far: a child that nobody waited for takes its own out of every sum."""
        self._vanished_cpu_s += max(0.0, self._last_cpu_s - now_s)
        used_s = now_s + self._vanished_cpu_s
        # What was reaped just now is in no sum from here on.
        self._last_cpu_s = now_s - reaped_s
        self._vanished_cpu_s += reaped_s
        return used_s

    def _walk_some(self) -> None:
        until_s = time.monotonic() + _WALK_S
        for _ in self._walk:
            if time.monotonic() >= until_s:
                return
        self._disk_bytes, self._files = self._walked_bytes, self._walked_files
        self._walked_bytes = self._walked_files = 0
        self._walk = self._walked()

    def _walked(self) -> Iterator[None]:
        """Count what is below the work directory, a directory entry at a time."""
        seen: set[tuple[int, int]] = set()
        unseen = [self._work_dir]
        while unseen:
            try:
                entries = os.scandir(unseen.pop())
            except OSError as error:
                self._could_not_look(error)
                continue
            with entries:
                for entry in entries:
                    yield
                    try:
                        status = entry.stat(follow_symlinks=False)
                        is_directory = entry.is_dir(follow_symlinks=False)
                    except OSError as error:
                        self._could_not_look(error)
                        continue
                    self._walked_files += 1
                    if status.st_nlink > 1 and not is_directory:
                        # Another name of a file that was counted takes no more room.
                        if (status.st_dev, status.st_ino) in seen:
                            continue
                        seen.add((status.st_dev, status.st_ino))
                    self._walked_bytes += status.st_blocks * _BLOCK_BYTES
                    if is_directory:
                        unseen.append(entry.path)

    def _could_not_look(self, error: OSError) -> None:
        """What is gone is nothing; what is hidden (by its mode, by a path that is too long) is too much."""
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            self._walked_files += 1 + (self._limits.get("tree_files") or 0)


def _place_of(pid: int) -> str:
    """The directory in which the kernel tells of a process: that of a thread, where its first one has ended.

    Then all memory and all descriptors are gone from the process's own, and are there all the same.
    """
    place = f"/proc/{pid}"
    try:
        state, threads = _state_and_threads(place)
        if state != b"Z" or threads < 2:
            return place
        for name in os.listdir(f"{place}/task"):
            if _state_and_threads(f"{place}/task/{name}")[0] not in (b"Z", b"X"):
                return f"{place}/task/{name}"
    except (OSError, IndexError):  # law 3
        return place
    return place


def _state_and_threads(place: str) -> tuple[bytes, int]:
    fields = _fields_of(place)
    return fields[0], int(fields[17])


def _fields_of(place: str) -> list[bytes]:
    """Fields 3 and on of proc_pid_stat(5): what is behind the name, which may have anything in it."""
    with open(f"{place}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def _open_files(places: list[str]) -> tuple[int, int]:
    """How many descriptors processes have, and what the files take that only a descriptor still leads to."""
    count = 0
    nameless: dict[tuple[int, int], int] = {}
    for place in places:
        try:
            names = os.listdir(f"{place}/fd")
        except OSError:  # law 3
            continue
        count += len(names)
        for name in names:
            try:
                status = os.stat(f"{place}/fd/{name}")
            except OSError:  # law 3
                continue
            if status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
                nameless[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK_BYTES
    return count, sum(nameless.values())


def _blocks_bytes(path: str) -> int:
    try:
        return os.stat(path).st_blocks * _BLOCK_BYTES
    except OSError:  # law 3
        return 0


def memory_bytes(places: list[str], enough: int) -> int:
    """What processes have in memory together, pages that they share counted once.

    Args:
        places: where in /proc the kernel tells of the processes.
        enough: below this, an upper bound is as good: sharing is costly to look at.
    """
    resident = sum(map(_resident_bytes, places))
    if resident <= enough:
        return resident
    return sum(map(_proportional_bytes, places))


def _resident_bytes(place: str) -> int:
    try:
        with open(f"{place}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):  # law 3
        return 0


def _proportional_bytes(place: str) -> int:
    try:
        with open(f"{place}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:  # law 3, or not ours to read: then what it has resident
        return _resident_bytes(place)
    return 0


def _processes_and_cpu(pids: list[int], play_pid: int | None) -> tuple[int, float, dict[int, float]]:
    """How many processes and threads there are, the processor time of them and of all they reaped; and
    {pid: processor time} of our own children that have ended, which are in that sum alone."""
    count = 0
    ticks = 0
    ended = {}
    own_pid = str(os.getpid()).encode()
    for pid in pids:
        try:
            fields = _fields_of(f"/proc/{pid}")
            used = sum(map(int, fields[11:15]))
            ticks += used
            # One whose first thread alone has ended looks the same, but for the number of its threads.
            has_ended = fields[0] == b"Z" and int(fields[17]) < 2
            if has_ended and fields[1] == own_pid and play_pid not in (None, pid):
                ended[pid] = used / _TICKS_A_SECOND
            else:
                count += int(fields[17])
        except (OSError, IndexError):  # law 3
            continue
    return count, ticks / _TICKS_A_SECOND, ended


def _reap(ended: dict[int, float]) -> float:
    """Let go of children that have ended; the processor time of those that are gone now."""
    gone_s = 0.0
    for pid, used_s in ended.items():
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                gone_s += used_s
        except ChildProcessError:
            # Somebody waited for it in the meantime.
            gone_s += used_s
    return gone_s
