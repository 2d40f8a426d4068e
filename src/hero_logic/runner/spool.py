"""The events that a play's processes kept in a file, where nobody took them from the socket.

The file lies where the flow may do what it likes: it is opened without following a link or waiting for a
device, and no more of it is read than the bound. Called when every process of the play is gone, so that
nothing changes under us. Who folds the lines is no concern of this module.

Source: docs/protocol.md, "The spool".
"""

from __future__ import annotations

import os
import stat
from io import FileIO

from hero_logic.core.policy import SPAN_SPOOL_NAME, default


class Spool(FileIO):
    """A play's spool, opened to be read, and no further than its bound.

    ``problem`` is a sentence for the operator where it is not read, or not to its end; else "". Read it
    when the file was read.
    """

    def __init__(self, file: int | str, *, limit_bytes: int = 0, problem: str = "") -> None:
        super().__init__(file)
        self.problem = problem
        self._limit_bytes = limit_bytes

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, at most so many; ``b""`` at the end, at the bound, and where reading fails.

        Not an error: a failing disk costs the spool, not the end of the play.
        """
        try:
            left = max(self._limit_bytes - self.tell(), 0)
            return super().read(left if size is None or size < 0 else min(size, left))
        except OSError as error:
            self.problem = f"The play's spool of events cannot be read to its end: {error.strerror}."
            return b""


def open_spool(work_dir: str, *, limit_bytes: int | None = None) -> Spool | None:
    """Open what the processes of a play have left as their spool; None where they have left none.

    Args:
        work_dir: the play's work directory.
        limit_bytes: how much of the file may be read; the limit ``spool_bytes`` if None.

    What is there and is not a regular file of ours with one name is refused: a link may lead to a file that
    the flow was never given. Then the spool is empty, and its ``problem`` says why.
    """
    limit_bytes = default("spool_bytes") if limit_bytes is None else limit_bytes
    path = os.path.join(work_dir, SPAN_SPOOL_NAME)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _refused(path, error.strerror or "it cannot be opened")
    status = os.fstat(descriptor)
    reason = _oddity(status)
    if reason:
        os.close(descriptor)
        return _refused(path, reason)
    problem = ""
    if status.st_size > limit_bytes:
        problem = f"{path} has {status.st_size} bytes of events; the first {limit_bytes} of them are read."
    return Spool(descriptor, limit_bytes=limit_bytes, problem=problem)


def _refused(path: str, reason: str) -> Spool:
    return Spool(os.devnull, problem=f"{path} is not read as the play's spool of events: {reason}.")


def _oddity(status: os.stat_result) -> str:
    """Why a file is no spool; "" if it may be one."""
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if status.st_uid != os.geteuid():
        return f"it belongs to the user {status.st_uid}"
    return "it has other names too" if status.st_nlink != 1 else ""
