"""Tier 0: what a process asks of the kernel for itself and for what it will start.

Called between fork and exec in the supervisor, which has one thread.
"""

from __future__ import annotations

import os
import resource

from hero_logic.runner.sandbox import kernel

SIGKILL = 9


def become_subreaper() -> None:
    """Make this process the parent of every orphan below it, double-forked daemons included."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends.

    The parent has one thread, so that its end is the parent's. It may have ended before the call: then
    there is nobody to wait for, and the process ends here.
    """
    kernel.prctl(kernel.PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def renounce_privileges() -> None:
    """No exec from here on gains a privilege: setuid and setgid bits, file capabilities (no_new_privs)."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def limit_resources(limits: dict[str, int]) -> None:
    """Set each ``RLIMIT_*`` of the table, never above the hard limit that is there already.

    The hard limit is the soft one, so that a flow cannot raise it; for processor time it is a second more,
    since the kernel kills at the hard limit and says SIGXCPU, which tells why, only at the soft one.
    """
    for name, value in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        ceiling = value + (kind == resource.RLIMIT_CPU)
        if hard != resource.RLIM_INFINITY:
            ceiling = min(ceiling, hard)
        resource.setrlimit(kind, (min(value, ceiling), ceiling))
