"""What an error of SQLite means for who called the store: the one place that knows.

Source: https://www.sqlite.org/rescode.html
"""

from __future__ import annotations

import sqlite3

import msgspec

from hero_logic.core.errors import StoreDamaged, StoreError, StoreLocked

FOREIGN_ERRORS = (sqlite3.Error, sqlite3.Warning, UnicodeError, OverflowError, msgspec.MsgspecError)
"""What a statement, or the reading of its answer, may raise that callers of the store must not see."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

_MESSAGES = {
    sqlite3.SQLITE_FULL: (
        "the disk of the store {path} is full ({detail}); nothing of this was recorded. "
        "Free some space there, and try again."
    ),
    sqlite3.SQLITE_IOERR: (
        "the store {path} cannot be read or written ({detail}); nothing of this was recorded. "
        "Look at the disk, its quota and the system's log, and try again."
    ),
    sqlite3.SQLITE_READONLY: (
        "the store {path} cannot be written ({detail}). "
        "Make the file and its directory writable for this user."
    ),
    sqlite3.SQLITE_PERM: "the store {path} may not be opened ({detail}). Give this user access to it.",
    sqlite3.SQLITE_CANTOPEN: (
        "the store {path} cannot be opened ({detail}). "
        "It must be a file, in a directory that this user may write."
    ),
    sqlite3.SQLITE_CONSTRAINT: (
        "what was to be written does not fit what the store {path} holds ({detail}); nothing of it was "
        "recorded. Read the rows anew before writing them."
    ),
    sqlite3.SQLITE_TOOBIG: (
        "a value is too long for the store {path} ({detail}); nothing of this was recorded. Shorten it."
    ),
}
_OTHER = (
    "the store {path} did not do what was asked of it ({detail}); nothing of this was recorded. Try again."
)


def has_lost_file(path: str) -> StoreDamaged:
    """For a database file that is not there or empty, while its write-ahead log is."""
    return StoreDamaged(
        f"the store {path} is gone or empty, but its log {path}-wal is there and may hold plays. It was left "
        "as it is: put the store or a backup of it back, or move the log aside, and a new one is made."
    )


def is_locked(path: str, waited_s: float) -> StoreLocked:
    """For a store that could not be written for so long, since somebody else did or was about to."""
    return StoreLocked(
        f"another process held the store {path} for the {waited_s:g} s that we waited; nothing of this "
        "was recorded. Try again when that process is done, or end it."
    )


def as_store_error(error: BaseException, *, path: str, waited_s: float) -> StoreError:
    """Give the error that a caller of the store should see in place of this one.

    Args:
        error: one of ``FOREIGN_ERRORS``.
        path: the file of the store, for the message.
        waited_s: how long SQLite was told to wait for another process, in seconds.
    """
    if isinstance(error, UnicodeEncodeError | OverflowError):
        return StoreError(
            f"the store {path} cannot hold a value ({_detail(error)}); nothing of this was recorded. "
            "Replace lone surrogates by U+FFFD, and keep integers within 64 bits."
        )
    if "no such module: fts5" in str(error):
        return StoreError(
            f"the SQLite of this Python ({sqlite3.sqlite_version}) was built without FTS5, with which the "
            f"library in the store {path} is searched. Use a Python whose SQLite has it, as most do."
        )
    code = _primary_code(error)
    if code in _LOCKED:
        return is_locked(path, waited_s)
    if code in _DAMAGED:
        return StoreDamaged(
            f"the store {path} is damaged or no database ({_detail(error)}). It was left as it is: put a "
            "backup in its place, or move it aside, with the -wal file beside it, and a new one is made."
        )
    return StoreError(_MESSAGES.get(code, _OTHER).format(path=path, detail=_detail(error)))


def _primary_code(error: BaseException) -> int:
    """SQLite's result code without its extension.

    What has none was raised by the reading of a value: bytes that are no text, or text that is not what
    its column is for.
    """
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF
    if isinstance(error, sqlite3.OperationalError | UnicodeError | msgspec.MsgspecError):
        return sqlite3.SQLITE_CORRUPT
    return sqlite3.SQLITE_ERROR


def _detail(error: BaseException) -> str:
    name: str | None = getattr(error, "sqlite_errorname", None)
    return f"{name}: {error}" if name else str(error)
