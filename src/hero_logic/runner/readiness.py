"""Which plays have something to read, at a cost that does not grow with what is idle.

A play is a *group* of descriptors. With epoll each group has an epoll of its own, and these are watched by
the loop's: so a play is passed over in one call, however many connections it has, and the kernel gives the
ready ones of a play in rotation. Where there is no epoll (only Linux has it), poll does the same at a cost
that grows with the number of descriptors.

Source: docs/design/0007-listener-thread-and-writer-thread.md.
"""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Group(Protocol):
        """The descriptors of one play."""

        @property
        def key(self) -> int:
            """What :meth:`Readiness.wait` calls this group."""
            ...

        def add(self, descriptor: int) -> None:
            """Watch one more."""
            ...

        def remove(self, descriptor: int) -> None:
            """Watch one less; before it is closed."""
            ...

        def take(self, limit: int) -> list[int]:
            """At most so many that are ready, in rotation; does not wait."""
            ...

        def pause(self) -> None:
            """Have :meth:`Readiness.wait` pass over this group, until :meth:`resume`."""
            ...

        def resume(self) -> None:
            """Watch the group again."""
            ...

        def close(self) -> None:
            """Forget the group; its descriptors stay open."""
            ...

    class Readiness(Protocol):
        """What a loop waits with."""

        def add(self, descriptor: int) -> None:
            """Watch a descriptor that is in no group; :meth:`wait` calls it by its number."""
            ...

        def group(self) -> Group:
            """A new group, which is watched from now on."""
            ...

        def wait(self, timeout_s: float | None) -> list[int]:
            """Wait until something is ready, at most so long; the keys of what is, each once."""
            ...

        def close(self) -> None:
            """Close what this has opened; harmless twice."""
            ...


_MAX_KEYS = 64


class _EpollGroup:
    def __init__(self, watcher: select.epoll) -> None:
        self._watcher = watcher
        self._epoll = select.epoll()
        self.key = self._epoll.fileno()
        watcher.register(self.key, select.EPOLLIN)

    def add(self, descriptor: int) -> None:
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        self._epoll.unregister(descriptor)

    def take(self, limit: int) -> list[int]:
        return [descriptor for descriptor, _ in self._epoll.poll(0, limit)]

    # Modified and not unregistered: to register an epoll again, the kernel walks through all that is in it.
    def pause(self) -> None:
        self._watcher.modify(self.key, 0)

    def resume(self) -> None:
        self._watcher.modify(self.key, select.EPOLLIN)

    def close(self) -> None:
        # Closing is not enough where a forked process holds the same epoll: it would stay registered.
        self._watcher.unregister(self.key)
        self._epoll.close()


class EpollReadiness:
    """Waits by epoll; see the head of this module."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def add(self, descriptor: int) -> None:
        """See ``Readiness``."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def group(self) -> Group:
        """See ``Readiness``."""
        return _EpollGroup(self._epoll)

    def wait(self, timeout_s: float | None) -> list[int]:
        """See ``Readiness``."""
        return [key for key, _ in self._epoll.poll(timeout_s, _MAX_KEYS)]

    def close(self) -> None:
        """See ``Readiness``."""
        self._epoll.close()


class _PollGroup:
    def __init__(self, key: int, watcher: PollReadiness) -> None:
        self.key = key
        self._watcher = watcher
        self._is_paused = False
        # In the order in which they are served: who was served goes to the end.
        self._descriptors: dict[int, None] = {}

    def add(self, descriptor: int) -> None:
        self._descriptors[descriptor] = None
        if not self._is_paused:
            self._watcher.register(descriptor, self.key)

    def remove(self, descriptor: int) -> None:
        del self._descriptors[descriptor]
        if not self._is_paused:
            self._watcher.unregister(descriptor)

    def take(self, limit: int) -> list[int]:
        poll = select.poll()
        for descriptor in self._descriptors:
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(0)}
        taken = [descriptor for descriptor in self._descriptors if descriptor in ready][:limit]
        for descriptor in taken:
            del self._descriptors[descriptor]
            self._descriptors[descriptor] = None
        return taken

    def pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            for descriptor in self._descriptors:
                self._watcher.unregister(descriptor)

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            for descriptor in self._descriptors:
                self._watcher.register(descriptor, self.key)

    def close(self) -> None:
        self.pause()
        self._descriptors.clear()


class PollReadiness:
    """Waits by poll; see the head of this module."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._keys: dict[int, int] = {}
        self._groups = 0

    def add(self, descriptor: int) -> None:
        """See ``Readiness``."""
        self.register(descriptor, descriptor)

    def register(self, descriptor: int, key: int) -> None:
        """Watch a descriptor, and call it by this key."""
        self._poll.register(descriptor, select.POLLIN)
        self._keys[descriptor] = key

    def unregister(self, descriptor: int) -> None:
        """Watch it no more."""
        self._poll.unregister(descriptor)
        del self._keys[descriptor]

    def group(self) -> Group:
        """See ``Readiness``."""
        # Below zero, so that no group has the number of a descriptor.
        self._groups += 1
        return _PollGroup(-self._groups, self)

    def wait(self, timeout_s: float | None) -> list[int]:
        """See ``Readiness``."""
        timeout_ms = None if timeout_s is None else timeout_s * 1000
        return list({self._keys[descriptor]: None for descriptor, _ in self._poll.poll(timeout_ms)})

    def close(self) -> None:
        """See ``Readiness``."""
        self._keys.clear()


def best_readiness() -> Readiness:
    """The best of this system."""
    return EpollReadiness() if hasattr(select, "epoll") else PollReadiness()
