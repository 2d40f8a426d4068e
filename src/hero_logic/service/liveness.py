"""Which runtimes live: each holds an exclusive lock on a file of its own.

The kernel lets go of a lock when its holder is gone, however it went: so a runtime is gone exactly when
its lock can be had, and nobody has to guess by a clock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hero_logic.core.errors import StoreError


class Runtimes:
    """The lock files of a data directory; this process's own is made by :meth:`enter`."""

    def __init__(self, directory: str, own_sid: str) -> None:
        self.own_sid = own_sid
        self.directory = directory
        """Where their locks are, and their bells (service/bells.py)."""
        self._lock: int | None = None
        self._family: int | None = None

    def enter(self) -> None:
        """Be alive from now on. The descriptor is never inherited.

        Raises:
            StoreError: the lock file cannot be made.
        """
        try:
            # The data directory apart: makedirs gives its mode to the last one alone.
            for directory in (os.path.dirname(self.directory), self.directory):
                os.makedirs(directory, mode=0o700, exist_ok=True)
            while self._lock is None:
                self._lock = _lock_file(self._path(self.own_sid))
        except OSError as error:
            raise self._not_made(error) from error

    def _not_made(self, error: OSError) -> StoreError:
        return StoreError(
            f"the lock of this runtime cannot be made in {self.directory}: {error.strerror}. "
            "Check the directory, or move the data with HERO_LOGIC_HOME."
        )

    @contextmanager
    def founding(self) -> Iterator[None]:
        """Let what is started inside be of this runtime's family: see :meth:`is_family_gone`.

        Raises:
            StoreError: the lock file cannot be made.
        """
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            self._family = _lock_file(self._path(self.own_sid, "family"))
        except OSError as error:
            raise self._not_made(error) from error
        assert self._family is not None, "nobody sweeps away the file of a runtime that lives"
        os.set_inheritable(self._family, True)
        try:
            yield
        finally:
            os.set_inheritable(self._family, False)

    def is_family_gone(self, sid: str) -> bool:
        """Whether a runtime is gone, and all that it had started to run plays with.

        Its supervisors clear up after plays that never began. A play that is to be run again under its own
        name has to wait for that: they would clear away what is new.
        """
        return self.is_gone(sid) and self._is_free(self._path(sid, "family"))

    @property
    def is_entered(self) -> bool:
        """Whether this process is one of them."""
        return self._lock is not None

    def leave(self) -> None:
        """Be gone; harmless twice."""
        if self._lock is None:
            return
        if self._family is not None:
            _unlink(self._path(self.own_sid, "family"))
            os.close(self._family)
            self._family = None
        _unlink(self._path(self.own_sid))
        os.close(self._lock)
        self._lock = None

    def is_gone(self, sid: str) -> bool:
        """Whether the runtime of that name has ended."""
        if sid == self.own_sid and self._lock is not None:
            return False
        return self._is_free(self._path(sid))

    def _is_free(self, path: str) -> bool:
        """Whether a lock can be had, or is not there."""
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            # It cannot be known: a play of a living runtime is never touched.
            return False
        try:
            # Shared: two processes that look at the same moment must not take each other for the holder.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(lock)

    def has_killed(self) -> bool:
        """Whether a runtime left its file behind: one that ended by itself has removed it."""
        try:
            names = os.listdir(self.directory)
        except OSError:
            return False
        sids = [name.removesuffix(".lock") for name in names if name.endswith(".lock")]
        return any(sid != self.own_sid and self.is_gone(sid) for sid in sids)

    def sweep(self) -> None:
        """Remove the files of runtimes that are gone; call it when their plays have their end."""
        try:
            names = os.listdir(self.directory)
        except OSError:
            return
        for name in names:
            sid = name.removesuffix(".lock")
            if sid != name and sid != self.own_sid and _unlink_if_free(self._path(sid)):
                _unlink(self._path(sid, "bell"))
                _unlink(self._path(sid, "family"))

    @contextmanager
    def recovering(self, *, waits: bool = True) -> Iterator[bool]:
        """Be the only process that recovers; gives whether it is, which without ``waits`` another one may be.

        Raises:
            StoreError: the lock cannot be had.
        """
        is_ours = True
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            lock = os.open(
                os.path.join(self.directory, "recovery"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                is_ours = False
        except OSError as error:
            raise StoreError(
                f"the lock for recovery cannot be had in {self.directory}: {error.strerror}. "
                "Check the directory, or move the data with HERO_LOGIC_HOME."
            ) from error
        try:
            yield is_ours
        finally:
            os.close(lock)

    def _path(self, sid: str, kind: str = "lock") -> str:
        return os.path.join(self.directory, f"{sid}.{kind}")


def _lock_file(path: str) -> int | None:
    """Make a file and lock it; None if it was swept away in between, before anyone could see the lock."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Waits for a moment at most: nobody but a runtime that looks whether we live takes it.
    fcntl.flock(lock, fcntl.LOCK_EX)
    if os.fstat(lock).st_nlink:
        return lock
    os.close(lock)
    return None


def _unlink_if_free(path: str) -> bool:
    """Remove the file of a runtime that is gone, its lock in hand: who is just starting makes another."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(lock)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
