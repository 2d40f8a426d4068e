"""What a runtime and a supervisor say to each other, and the record that the supervisor leaves.

Both ends load this; what it takes to be a supervisor (runner/supervisor.py) only one of them does.
"""

from __future__ import annotations

import marshal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from hero_logic.runner.sandbox.doors import Door
    from hero_logic.runner.sandbox.view import Entry

OPEN_GATE = b"G"
CANCEL = b"C"
KILL = b"K"
MAX_ORDERS_BYTES = 160 * 1024

GATE_DESCRIPTOR = 3
"""Under which number a play finds its end of the gate,"""
RESULT_DESCRIPTOR = 4
"""the file for its result,"""
SPAN_DESCRIPTOR = 5
"""and its span channel, where it inherits one."""


class _Message:
    """Facts that travel by ``marshal`` between two of our processes."""

    __slots__: tuple[str, ...] = ()

    def dump(self) -> bytes:
        """The facts as bytes."""
        return marshal.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, data: bytes) -> Self:
        """The facts that :meth:`dump` wrote."""
        message = cls()
        for name, value in marshal.loads(data).items():  # noqa: S302  # from our own runtime, on a private socket
            setattr(message, name, value)
        return message


class Preparation(_Message):
    """What can be done for a play before it is known; the same for all plays of a kind, and known of none."""

    __slots__ = ("is_warm", "isolation")

    isolation: dict[str, object]
    """What runner/sandbox/isolation.py makes of it."""
    is_warm: bool
    """Whether the play begins in the process that was forked for it, and no interpreter is started."""


class Orders(_Message):
    """What the runtime asks of a supervisor, and it of the process that becomes the play."""

    __slots__ = (
        "argv",
        "captured_bytes",
        "connected",
        "doors",
        "entries",
        "environment",
        "exit_path",
        "grace_s",
        "lock_path",
        "orphan_grace_s",
        "resource_limits",
        "result_path",
        "sockets",
        "stderr_path",
        "stdout_path",
        "timeout_s",
        "tree_limits",
        "work_dir",
    )

    argv: list[str]
    environment: dict[str, str]
    work_dir: str
    stdout_path: str
    stderr_path: str
    result_path: str
    exit_path: str
    lock_path: str
    resource_limits: dict[str, int]
    tree_limits: dict[str, int | None]
    """Those of all processes together, for runner/sandbox/watcher.py; empty where nobody watches."""
    captured_bytes: int
    grace_s: float
    orphan_grace_s: float
    timeout_s: float | None
    entries: list[Entry]
    """What the play sees beside what it was prepared with, the outer paths first."""
    sockets: list[tuple[str, str]]
    """(path on the host, path in the view) of the Unix sockets that it may connect to."""
    connected: list[str]
    """The variables that name connections which the play inherits, behind its span channel: it finds the
    descriptor of each."""
    doors: list[Door]
    """Where in its own network sockets listen that are accepted outside."""


def write_exit_record(path: str, record: dict[str, object]) -> None:
    """Put the record in its place at one stroke: it is whole or not there."""
    part = f"{path}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(marshal.dumps(record))
    os.rename(part, path)


def read_exit_record(path: str) -> dict[str, object] | None:
    """The record that a supervisor left, or None where there is none that can be read."""
    try:
        with open(path, "rb") as file:
            record = marshal.loads(file.read())  # noqa: S302  # written by our own supervisor
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return record if isinstance(record, dict) else None
