"""Attempts at what was there before the play: in its memory, its descriptors, its threads.

A play that begins warm is forked from a process that has started others. Nothing holds these where there is
no isolation, since there nothing is left either: so each says itself that it was made, and what it found.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import OWN_USER, Attempt, Facts, Ground, cases, check

GroundOf = Callable[[str], Ground]

SEARCH = """
# In two parts, so that the search does not find what it looks for in itself.
found = []
for line in open('/proc/self/maps'):
    area, modes, _, _, _, *name = line.split(None, 5)
    start, end = (int(part, 16) for part in area.split('-'))
    if not modes.startswith('rw') or '[v' in ''.join(name):
        continue
    for at in range(start, end, 1 << 20):
        data = ctypes.string_at(at, min(end - at, (1 << 20) + 64))
        place = data.find(head)
        while place >= 0:
            if data[place + len(head):place + len(head) + len(tail)] == tail:
                found.append(at + place)
            place = data.find(head, place + 1)
return f'made, found {found}'
"""


def by_what_it_found(facts: Facts) -> bool:
    """Whether anything was there; the attempt says that it was made in any case."""
    return "found []" not in facts.told


LEFT = [
    Attempt(
        "memory-of-what-another-play-was-told",
        "head, tail = b'marker', b'=other'\n" + SEARCH,
        through=by_what_it_found,
        in_sample=True,
    ),
    Attempt(
        "memory-of-the-runtimes-environment",
        "head, tail = b'SHOP', b'_SECRET='\n" + SEARCH,
        through=by_what_it_found,
    ),
    Attempt(
        "environment-that-it-was-started-with",
        """
        text = open('/proc/self/environ').read()
        return f'made, found {[line for line in text.split(chr(0)) if "SHOP" in line or "other" in line]}'
        """,
        through=by_what_it_found,
    ),
    Attempt(
        "arguments-that-it-was-started-with",
        """
        text = open('/proc/self/cmdline').read()
        other = '/' + os.path.basename(plants["other_play"]) + '/'
        return f'made, found {[text] if other in text else []}'
        """,
        through=by_what_it_found,
    ),
    Attempt(
        "descriptors",
        """
        found = []
        for number in range(4096):
            try:
                os.fstat(number)
            except OSError:
                continue
            if number > 5:
                found.append(number)
        return f'made, found {found}'
        """,
        through=by_what_it_found,
        in_sample=True,
    ),
    Attempt(
        "threads",
        """
        lines = open('/proc/self/status').read().splitlines()
        [count] = [int(line.split()[1]) for line in lines if line.startswith('Threads')]
        return f'made, found {["thread"] * (count - 1)}'
        """,
        through=by_what_it_found,
    ),
    Attempt(
        "children",
        """
        try:
            found = [os.waitpid(-1, os.WNOHANG)]
        except ChildProcessError:
            found = []
        return f'made, found {found}'
        """,
        through=by_what_it_found,
    ),
    Attempt(
        "locks",
        """
        import fcntl
        found = []
        for number in range(3, 6):
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(number)
            except OSError:
                continue
        return f'made, found {found}'
        """,
        through=by_what_it_found,
    ),
    Attempt(
        "timers-and-signals",
        """
        found = [kind for kind in range(3) if signal.getitimer(kind) != (0.0, 0.0)]
        found += sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())) + sorted(signal.sigpending())
        return f'made, found {found}'
        """,
        through=by_what_it_found,
    ),
]

OF_THE_FIRST = [
    Attempt(
        "descriptors",
        """
        for name in os.listdir('/proc/1/fd'):
            try:
                return os.open(f'/proc/1/fd/{name}', os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                continue
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "descriptors-taken",
        """
        first = os.pidfd_open(1)
        for number in range(100):
            try:
                return call(438, first, number, 0)
            except OSError as error:
                if error.errno != errno.EBADF:
                    raise
        """,
        users=(OWN_USER,),
    ),
    Attempt("memory-written", "return os.open('/proc/1/mem', os.O_RDWR)", users=(OWN_USER,)),
]


@pytest.mark.parametrize(
    ("user", "isolation", "attempt"),
    cases([Attempt(**{**vars(attempt), "control": "itself"}) for attempt in LEFT]),
)
def test_nothing_is_left_of_what_was_before(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Neither of another play, nor of the runtime, nor of the process that a warm one was forked from."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(OF_THE_FIRST))
def test_the_first_process_of_its_world_is_out_of_reach(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """It tells how the play ended, and sees to it that nothing is left."""
    check(ground_of(user), isolation, attempt)
