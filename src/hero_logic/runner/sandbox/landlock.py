"""What a play may do with files, as rules of Landlock: everything that no rule names is denied.

Two further gates of the same domain: abstract Unix sockets and signals of processes outside it are out of
reach (ABI 6), and, where a play has no network of its own, TCP is (ABI 4).

Laws:

1. Every right that the kernel's version knows is handled, so that none is granted by being forgotten.
2. A path that is not there has no rule, and so grants nothing; nor has one with a link on its way, which
   somebody could have put there, but for the system's own.
3. Below ABI 6 nothing is promised: signals would reach every process of the same user.

Source: https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import errno
import os
import stat

from hero_logic.runner.sandbox import kernel
from hero_logic.runner.sandbox.view import SYSTEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NEEDED_VERSION = 6

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_CHAR = 1 << 6
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_BLOCK = 1 << 11
MAKE_SYM = 1 << 12
REFER = 1 << 13  # ABI 2
TRUNCATE = 1 << 14  # ABI 3
IOCTL_DEV = 1 << 15  # ABI 5
RESOLVE_UNIX = 1 << 16  # ABI 9

_TCP = 0b11  # bind and connect, ABI 4
_SCOPES = 0b11  # abstract Unix sockets and signals, ABI 6
_PATH_BENEATH = 1

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
# No device can be made, none be spoken to, and no program put there be run.
KEEP = (
    READ
    | WRITE_FILE
    | TRUNCATE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_SYM
    | REFER
)
USE = READ_FILE | WRITE_FILE
"""What a device such as /dev/null is for."""
_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV | RESOLVE_UNIX


def handled_rights(version: int) -> int:
    """Every right on files that a version of Landlock's interface knows, of those that we know.

    >>> handled_rights(1) == (1 << 13) - 1, handled_rights(7) == (1 << 16) - 1
    (True, True)
    """
    count = 13 + (version >= 2) + (version >= 3) + (version >= 5) + (version >= 9)
    return (1 << count) - 1


class Ruleset:
    """Rules that grow until this process is held to them.

    Args:
        has_own_network: whether TCP leads nowhere anyway, so that it can be left to the flow.

    Raises:
        OSError: the kernel has no Landlock of version 6.
    """

    def __init__(self, *, has_own_network: bool) -> None:
        version = kernel.landlock_version()
        if version < NEEDED_VERSION:
            raise OSError(38, f"Landlock of ABI {NEEDED_VERSION} is needed, and this kernel has {version}")
        self._handled = handled_rights(version)
        self._descriptor = kernel.landlock_create_ruleset(
            self._handled.to_bytes(8, "little")
            + (0 if has_own_network else _TCP).to_bytes(8, "little")
            + _SCOPES.to_bytes(8, "little")
        )

    def add(self, rules: Iterable[tuple[str, int]]) -> None:
        """Add (path, rights on it and below it).

        Raises:
            OSError: the kernel refuses.
        """
        for path, rights in rules:
            _add(self._descriptor, path, rights & self._handled)

    def restrict(self) -> None:
        """Hold this process, and whatever it starts, to the rules; there is no way back.

        Raises:
            OSError: the kernel refuses.
        """
        try:
            kernel.landlock_restrict_self(self._descriptor)
        finally:
            os.close(self._descriptor)


def _open(path: str) -> int:
    """What a rule is to be about; through a link only where nobody but the system's owner can have put it."""
    try:
        return kernel.open_path(path)
    except OSError as error:
        if error.errno != errno.ELOOP or not (path in SYSTEM or path.startswith("/proc/self/")):
            raise
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _add(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = _open(path)
    except OSError:
        return  # law 2
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_A_FILE
        if rights:
            rule = rights.to_bytes(8, "little") + descriptor.to_bytes(4, "little")
            kernel.landlock_add_rule(ruleset, _PATH_BENEATH, rule)
    finally:
        os.close(descriptor)
