"""Bells: how processes over one store wake each other.

Whoever wants to be woken has a bell: a Unix datagram socket in the directory of the runtimes, for its owner
alone. Whoever has written something rings all others. A ring says nothing but "look": what there is to know
is in the store, so a ring that is lost costs time and nothing else. Laws:

1. Ringing never waits: a bell that has not been heard yet is full, and will be heard all the same.
2. Nobody relies on a bell: who waits for one looks now and then anyway (:class:`Ears`). Where no socket can
   be made at all, that is how it is.
3. The path of a directory may be longer than that of a socket may be: sockets are named through a descriptor
   of the directory.

Source: docs/design/0020-the-queue.md, "Bells".
"""

from __future__ import annotations

import _socket
import os
import select
from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SUFFIX = ".bell"
LOOK_S = 0.25
"""How often who waits looks without a ring."""


class Bells:
    """The bells of a data directory; this process's own is made by :meth:`hang`."""

    def __init__(self, directory: str, own_sid: str) -> None:
        self._directory = directory
        self._own = f"{own_sid}{_SUFFIX}"
        self._bell: _socket.socket | None = None
        self._lock = Lock()
        self._sender: _socket.socket | None = None

    def hang(self) -> int | None:
        """Be woken from now on: the descriptor that becomes readable, or None where no bell can be had."""
        bell = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            for directory in (os.path.dirname(self._directory), self._directory):
                os.makedirs(directory, mode=0o700, exist_ok=True)
            bell.setblocking(False)
            self._at(self._own, bell.bind)
        except OSError:
            bell.close()
            return None
        self._bell = bell
        return bell.fileno()

    def heard(self) -> None:
        """Take what has been rung so far."""
        bell = self._bell
        while bell is not None:
            try:
                bell.recv(64)
            except OSError:
                return

    def ring(self) -> None:
        """Wake everybody else who has a bell; one whose owner was killed is taken down."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return
        for name in names:
            if name.endswith(_SUFFIX) and name != self._own:
                self._ring(name)

    def ring_own(self) -> None:
        """Wake who waits for the bell of this process."""
        self._ring(self._own)

    def take_down(self) -> None:
        """Be woken no more; harmless twice."""
        bell, self._bell = self._bell, None
        if bell is not None:
            _unlink(os.path.join(self._directory, self._own))
            bell.close()
        with self._lock:
            sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()

    def _ring(self, name: str) -> None:
        with self._lock:
            if self._sender is None:
                self._sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
                self._sender.setblocking(False)
            sender = self._sender
            try:
                self._at(name, lambda address: sender.sendto(b"R", address))
            except ConnectionRefusedError:
                _unlink(os.path.join(self._directory, name))
            except OSError:
                # Full, or gone meanwhile.
                return

    def _at(self, name: str, act: Callable[[str], object]) -> None:
        """Do something with the address of a bell."""
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            act(f"/proc/self/fd/{directory}/{name}")
        finally:
            os.close(directory)


class Ears:
    """A thread that looks whenever this process's bell was rung, and now and then without a ring.

    It runs from the first :meth:`listen` on. What a look raises goes to ``on_trouble``; it is called again at
    the next ring.
    """

    def __init__(self, bells: Bells, *, look_s: float = LOOK_S) -> None:
        self.bells = bells
        self.on_trouble: Callable[[str], None] = _ignore
        self._look_s = look_s
        self._looks: tuple[Callable[[], None], ...] = ()
        self._lock = Lock()
        self._wake, self._wake_in = _socket.socketpair()
        self._wake_in.setblocking(False)
        self._thread: Thread | None = None
        self._is_closed = False

    def listen(self, look: Callable[[], None]) -> Callable[[], None]:
        """Have a function called when there may be news; gives what ends that. It has to be quick."""
        with self._lock:
            self._looks = (*self._looks, look)
            if self._thread is None and not self._is_closed:
                self._thread = Thread(target=self._run, name="ears", daemon=True)
                self._thread.start()
        self.wake()
        return lambda: self._end(look)

    def wake(self) -> None:
        """Look now. May be called from any thread, and from a signal handler."""
        try:
            self._wake_in.send(b"W")
        except OSError:
            # Closed, or awake already.
            return

    def close(self) -> None:
        """Listen no more; wait for that. Harmless twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            thread = self._thread
        self.wake()
        if thread is not None:
            thread.join()
        self.bells.take_down()
        self._wake.close()
        self._wake_in.close()

    def _end(self, look: Callable[[], None]) -> None:
        with self._lock:
            self._looks = tuple(one for one in self._looks if one is not look)

    def _run(self) -> None:
        block_signals()
        poll = select.poll()
        poll.register(self._wake.fileno(), select.POLLIN)
        bell = self.bells.hang()
        if bell is not None:
            poll.register(bell, select.POLLIN)
        while not self._is_closed:
            for look in self._looks:
                try:
                    look()
                except Exception as error:  # noqa: BLE001  # what was not seen now is seen at the next look
                    self.on_trouble(f"a look at what other processes wrote has failed: {error}")
            for descriptor, _ in poll.poll(self._look_s * 1000):
                if descriptor == bell:
                    self.bells.heard()
                else:
                    self._wake.recv(4096)


def _ignore(_: str) -> None:
    return None


def block_signals() -> None:
    """Have the kernel give no signal to this thread: it would not wake the one that acts on it."""
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
