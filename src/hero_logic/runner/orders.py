"""What a runtime and a supervisor say to each other, and the record that the supervisor leaves.

Both ends load this; what it takes to be a supervisor (runner/supervisor.py) only one of them does.
"""

from __future__ import annotations

import marshal
import os

OPEN_GATE = b"G"
CANCEL = b"C"
KILL = b"K"


class Orders:
    """What the runtime asks of a supervisor; it travels by ``marshal`` between two of our processes."""

    __slots__ = (
        "argv",
        "captured_bytes",
        "environment",
        "exit_path",
        "gate_descriptor",
        "grace_s",
        "is_warm",
        "isolation",
        "lock_path",
        "orphan_grace_s",
        "resource_limits",
        "result_descriptor",
        "result_path",
        "span_descriptor",
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
    isolation: dict[str, object]
    """What runner/sandbox/isolation.py makes of it."""
    is_warm: bool
    """Whether the play begins in the process that was forked for it, and no interpreter is started."""
    gate_descriptor: int
    """The number under which the play finds its end of the gate."""
    result_descriptor: int
    """The number under which the play finds the file for its result."""
    span_descriptor: int
    """The number under which it finds its span channel, where one is handed over with the orders."""

    def dump(self) -> bytes:
        """The orders as bytes."""
        return marshal.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, data: bytes) -> Orders:
        """The orders that :meth:`dump` wrote."""
        orders = cls()
        for name, value in marshal.loads(data).items():  # noqa: S302  # from our own runtime, on a private socket
            setattr(orders, name, value)
        return orders


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
