"""Which runtimes live: each holds an exclusive lock on a file of its own.

The kernel lets go of a lock when its holder is gone, however it went: so a runtime is gone exactly when
its lock can be had, and nobody has to guess by a clock.
"""

from __future__ import annotations

import fcntl
import os

from hero_logic.core.errors import StoreError


class Runtimes:
    """The lock files of a data directory; this process's own is made by :meth:`enter`."""

    def __init__(self, directory: str, own_sid: str) -> None:
        self.own_sid = own_sid
        self._directory = directory
        self._lock: int | None = None

    def enter(self) -> None:
        """Be alive from now on. The descriptor is never inherited.

        Raises:
            StoreError: the lock file cannot be made.
        """
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            path = self._path(self.own_sid)
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(
                f"the lock of this runtime cannot be made in {self._directory}: {error.strerror}. "
                "Check the directory, or move the data with HERO_LOGIC_HOME."
            ) from error

    def leave(self) -> None:
        """Be gone; harmless twice."""
        if self._lock is None:
            return
        _unlink(self._path(self.own_sid))
        os.close(self._lock)
        self._lock = None

    def is_gone(self, sid: str) -> bool:
        """Whether the runtime of that name has ended."""
        if sid == self.own_sid and self._lock is not None:
            return False
        try:
            lock = os.open(self._path(sid), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            # It cannot be known: a play of a living runtime is never touched.
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(lock)

    def sweep(self) -> None:
        """Remove the files of runtimes that are gone; call it when their plays have their end."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return
        for name in names:
            sid = name.removesuffix(".lock")
            if sid != name and sid != self.own_sid and self.is_gone(sid):
                _unlink(self._path(sid))

    def _path(self, sid: str) -> str:
        return os.path.join(self._directory, f"{sid}.lock")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
