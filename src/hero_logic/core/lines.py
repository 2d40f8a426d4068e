"""Bytes as they come into chunks of whole lines, in bounded memory.

Source: docs/protocol.md, "Oversize lines".

>>> lines = LineBuffer(max_line_bytes=5)
>>> lines.feed(b"ab"), lines.feed(b"c\\nd"), lines.feed(b"efghij"), lines.feed(b"k\\nlm\\n"), lines.oversize
(b'', b'abc\\n', b'', b'lm\\n', 1)
"""

from __future__ import annotations

DEFAULT_MAX_LINE_BYTES = 1024 * 1024


class Chunk:
    """Whole lines of one source, as they were read at one moment; not decoded yet.

    ``oversize`` counts the lines that were discarded since the chunk before. ``position`` is how many bytes
    of the source end with this chunk, discarded ones included.
    """

    __slots__ = ("data", "oversize", "position", "received_ms", "source")

    def __init__(
        self, data: bytes, *, source: str, position: int, received_ms: float, oversize: int = 0
    ) -> None:
        self.data = data
        self.source = source
        self.position = position
        self.received_ms = received_ms
        self.oversize = oversize


class LineBuffer:
    """The lines of one connection.

    A line of more than ``max_line_bytes`` before its newline is discarded up to it, and counted in
    ``oversize`` at the moment it is known to be too long.
    """

    __slots__ = (
        "_discarded_from", "_is_discarding", "_max_line_bytes", "_taken_bytes", "_unfinished", "oversize",
    )  # fmt: skip

    def __init__(self, max_line_bytes: int = DEFAULT_MAX_LINE_BYTES) -> None:
        self.oversize = 0
        self._max_line_bytes = max_line_bytes
        # Not a list of what came: a writer of single bytes must cost neither an object a byte nor a copy
        # of the line.
        self._unfinished = bytearray()
        self._is_discarding = False
        self._taken_bytes = 0
        self._discarded_from = 0

    @property
    def position(self) -> int:
        """How many bytes were taken and are not held any more: given out, or discarded."""
        return self._taken_bytes - len(self._unfinished)

    @property
    def is_discarding(self) -> bool:
        """Whether the line that is being taken is too long, and counted so; its newline has not come."""
        return self._is_discarding

    @property
    def settled_position(self) -> int:
        """The same, but where a line is being discarded its start: from there all of it is counted anew."""
        return self._discarded_from if self._is_discarding else self.position

    @property
    def unfinished_bytes(self) -> int:
        """How many bytes are held of a line whose newline has not come."""
        return len(self._unfinished)

    def feed(self, data: bytes) -> bytes:
        """Take bytes; give the whole lines that they complete, each with its newline, or ``b""``."""
        self._taken_bytes += len(data)
        end = data.rfind(b"\n")
        if end == -1:
            self._keep(data)
            return b""
        head = data[: end + 1]
        if self._is_discarding:
            head = head[head.index(b"\n") + 1 :]
            self._is_discarding = False
        elif self._unfinished:
            head = b"".join((self._unfinished, head))
            self._unfinished.clear()
        if len(head) > self._max_line_bytes:
            head = self._without_oversize(head)
        self._keep(data[end + 1 :])
        return head

    def finish(self) -> bytes:
        """Give what is left at the end of the stream: a last line without its newline, or ``b""``."""
        rest = bytes(self._unfinished)
        self._unfinished.clear()
        self._is_discarding = False
        return rest

    def discard(self) -> None:
        """Give up the line that is unfinished, as if it were too long; nothing if none is."""
        if not self._unfinished:
            return
        self._discarded_from = self.position
        self._unfinished.clear()
        self._is_discarding = True
        self.oversize += 1

    def _keep(self, data: bytes) -> None:
        if self._is_discarding:
            return
        self._unfinished += data
        if len(self._unfinished) > self._max_line_bytes:
            self.discard()

    def _without_oversize(self, chunk: bytes) -> bytes:
        lines = chunk.split(b"\n")
        kept = [line for line in lines[:-1] if len(line) <= self._max_line_bytes]
        self.oversize += len(lines) - 1 - len(kept)
        return b"".join(line + b"\n" for line in kept)
