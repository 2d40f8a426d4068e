"""The log of a server: a JSON object a line, on standard error.

Laws:

1. No secret is ever in it: neither headers nor bodies are logged, nor what follows a ``?`` in an address.
2. Logging makes nobody wait: lines are written by a thread of their own, and where nobody reads them they are
   dropped and counted.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from queue import Empty, Full, Queue
from threading import Thread
from typing import TextIO

import msgspec

MAX_WAITING = 10_000
_encode = msgspec.json.Encoder(enc_hook=repr).encode


class Journal(logging.Handler):
    """Writes events as lines; takes what libraries log as well.

    Args:
        out: where the lines go.
        now_s: the time, in seconds since the Unix epoch.
    """

    def __init__(self, out: TextIO, *, now_s: Callable[[], float] = time.time) -> None:
        super().__init__(logging.WARNING)
        self._out = out
        self._now_s = now_s
        self._lines: Queue[str | None] = Queue(MAX_WAITING)
        self._dropped = 0
        self._thread = Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def tell(self, level: str, event: str, **facts: object) -> None:
        """Log an event: a name, and facts about it."""
        line = {"time_ms": round(self._now_s() * 1000, 3), "level": level, "event": event, **facts}
        try:
            self._lines.put_nowait(_encode(line).decode())
        except Full:
            self._dropped += 1

    def failure(self, event: str, error: BaseException, **facts: object) -> None:
        """Log what nobody meant to raise, with where it came from."""
        lines = traceback.format_exception(error)
        self.tell("error", event, error=repr(error), traceback="".join(lines), **facts)

    def emit(self, record: logging.LogRecord) -> None:
        """A line of a library."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self.failure(record.name, error)
        else:
            self.tell(record.levelname.lower(), record.name, text=record.getMessage())

    def close(self) -> None:
        """Write what waits, at most for a second."""
        super().close()
        try:
            self._lines.put(None, timeout=1.0)
        except Full:
            return
        self._thread.join(1.0)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            lines = [line]
            try:
                while (line := self._lines.get_nowait()) is not None:
                    lines.append(line)
            except Empty:
                pass
            if self._dropped:
                lines.append(
                    _encode({"level": "warning", "event": "lines_dropped", "count": self._dropped}).decode()
                )
                self._dropped = 0
            try:
                self._out.write("\n".join(lines) + "\n")
                self._out.flush()
            except (OSError, ValueError):
                pass  # nobody reads it, which is no reason to stop what it tells of
            if line is None:
                return
