"""Attempts at the operator's environment: variables and arguments of processes that are not the play's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import OWN_USER, Attempt, Ground, cases, check

GroundOf = Callable[[str], Ground]

ATTEMPTS = [
    Attempt(
        "all-processes",
        """
        for name in filter(str.isdigit, os.listdir('/proc')):
            for file in ('environ', 'cmdline'):
                try:
                    if plants['secret'] in open(f'/proc/{name}/{file}').read():
                        return f'{file} of {name}'
                except OSError:
                    continue
        """,
        in_sample=True,
    ),
    Attempt("runtime", "return plants['secret'] in open(f'/proc/{plants[\"runtime\"]}/environ').read()"),
    Attempt(
        "runtime-by-a-thread",
        """
        for thread in os.listdir(f'/proc/{plants["runtime"]}/task'):
            return plants['secret'] in open(f'/proc/{plants["runtime"]}/task/{thread}/environ').read()
        """,
    ),
    Attempt("arguments-of-the-runtime", "return open(f'/proc/{plants[\"runtime\"]}/cmdline').read()"),
    Attempt("arguments-of-a-bystander", "return open(f'/proc/{plants[\"bystander\"]}/cmdline').read()"),
    Attempt("memory-map-of-the-runtime", "return open(f'/proc/{plants[\"runtime\"]}/maps').read()"),
    Attempt("name-of-the-runtime", "return open(f'/proc/{plants[\"runtime\"]}/comm').read()"),
    Attempt(
        "parent",
        """
        other = open(f'/proc/{os.getppid()}/environ').read()
        return other != open('/proc/self/environ').read() and other
        """,
        in_sample=True,
    ),
    Attempt("spawner", "return open(f'/proc/{plants[\"spawner\"]}/environ').read()"),
    Attempt(
        "first-process",
        """
        other = open('/proc/1/environ').read()
        return other != open('/proc/self/environ').read() and other
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "memory-of-the-first-process",
        """
        start = int(open('/proc/1/maps').readline().partition('-')[0], 16)
        return os.pread(os.open('/proc/1/mem', os.O_RDONLY), 8, start)
        """,
        users=(OWN_USER,),
        holds_not_in={"bubblewrap": "its first process is the stub that the play runs on, before the flow"},
    ),
    Attempt(
        "other-play",
        "return 'HERO_' in open(f'/proc/{plants[\"other_pid\"]}/environ').read()",
    ),
]
"""Without isolation those after the secret find it, or something else that is not theirs."""


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(ATTEMPTS))
def test_no_other_environment_can_be_read(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Neither the runtime's, nor that of what starts plays, nor another play's, nor anybody's arguments."""
    check(ground_of(user), isolation, attempt)
