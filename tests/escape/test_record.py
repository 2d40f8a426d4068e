"""Attempts at the runtime by what a play hands it: spans, output, results, files, and an end that is none.

No isolation is between a play and what it is to be recorded by. So these are not held against a run without
one: each says itself that it was made, and the runtime must have stayed within its bounds.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import Attempt, Facts, Ground, cases, check

GroundOf = Callable[[str], Ground]

_KEPT_BYTES = 100_000
_MAX_GROWN_KIB = 96 << 10
_MAX_LINE_BYTES = 1 << 20
_MAX_DESCRIPTORS = 4
_MAX_END_S = 8.0
CAPTURED = {"captured_bytes": _KEPT_BYTES}

CHANNEL = "channel = socket.socket(fileno=os.dup(int(os.environ['HERO_FLOW_SPAN_FD'])))\n"


def by_the_secret(facts: Facts) -> bool:
    """Whether the record has what is in a file that the play could not read."""
    return bool(facts.told_secret)


def by_artifacts(facts: Facts) -> bool:
    """Whether anything was kept that is no file of the play's."""
    return bool(facts.artifacts)


def by_their_number(facts: Facts) -> bool:
    """Whether more artifacts were kept than are allowed."""
    return int(facts.artifact_count) > 10_000


def by_what_is_left(facts: Facts) -> bool:
    """Whether the working files could not be removed."""
    return bool(facts.left)


def by_output(facts: Facts) -> bool:
    """Whether more output was kept than is allowed; a sentence about what was not is added."""
    return max(int(facts.stdout_bytes), len(facts.stderr)) > _KEPT_BYTES + 200 or by_growth(facts)


def by_growth(facts: Facts) -> bool:
    """Whether the runtime took the memory that the play wanted it to."""
    return int(facts.grown_kib) > _MAX_GROWN_KIB


def by_lines(facts: Facts) -> bool:
    """Whether a line went on that is longer than lines may be."""
    return int(facts.longest_line_bytes) > _MAX_LINE_BYTES or by_growth(facts)


def by_descriptors(facts: Facts) -> bool:
    """Whether the runtime has files open that the play handed it."""
    return int(facts.descriptors) > _MAX_DESCRIPTORS


def by_time(facts: Facts) -> bool:
    """Whether the play could put off its end."""
    return float(facts.seconds) > _MAX_END_S


FILES = [
    Attempt(
        "spool-that-is-a-link",
        "os.symlink(plants['file'], '.hero-spans.jsonl'); return True",
        through=by_the_secret,
        in_sample=True,
    ),
    Attempt(
        "spool-that-is-a-pipe",
        "os.mkfifo('.hero-spans.jsonl'); return True",
        through=by_time,
    ),
    Attempt(
        "spool-without-end",
        """
        with open('.hero-spans.jsonl', 'wb') as spool:
            for _ in range(200):
                spool.write(b'x' * (1 << 20))
        return True
        """,
        through=by_growth,
    ),
    Attempt(
        "artifact-that-is-a-link",
        "os.symlink(plants['file'], 'artifacts/link'); return True",
        through=by_artifacts,
        in_sample=True,
    ),
    Attempt(
        "artifacts-that-are-a-link",
        "os.rmdir('artifacts'); os.symlink(plants['outside'], 'artifacts'); return True",
        through=by_artifacts,
    ),
    Attempt(
        "artifact-that-is-a-pipe",
        "os.mkfifo('artifacts/pipe'); return True",
        through=lambda facts: by_artifacts(facts) or by_time(facts),
    ),
    Attempt(
        "directory-below-a-link",
        """
        os.mkdir('artifacts/a')
        os.symlink('a', 'artifacts/b')
        os.symlink('/', 'artifacts/a/root')
        return True
        """,
        through=by_artifacts,
    ),
    Attempt(
        "too-many-artifacts",
        """
        for number in range(10_100):
            os.close(os.open(f'artifacts/{number}', os.O_CREAT))
        return True
        """,
        through=by_their_number,
    ),
    Attempt(
        "deep-tree",
        """
        for _ in range(1500):
            os.mkdir('d')
            os.chdir('d')
        return True
        """,
        through=by_what_is_left,
        in_sample=True,
    ),
    Attempt(
        "tree-deeper-than-a-path",
        """
        for _ in range(60):
            os.mkdir('d' * 200)
            os.chdir('d' * 200)
        open('file', 'w').close()
        return True
        """,
        through=by_what_is_left,
    ),
    Attempt(
        "closed-directories",
        """
        os.mkdir('open')
        open('open/file', 'w').close()
        os.mkdir('closed', 0o700)
        os.mkdir('closed/inner', 0)
        os.mkdir('empty', 0)
        return True
        """,
        through=by_what_is_left,
    ),
    Attempt(
        "directory-that-cannot-be-listed",
        """
        os.mkdir('closed', 0o300)
        open('closed/file', 'w').close()
        return True
        """,
        through=by_what_is_left,
    ),
    Attempt(
        "artifact-that-is-another-name-of-the-sdk",
        """
        try:
            os.link(sys.modules['hero_tracing'].__file__, 'artifacts/link')
        except OSError:
            pass
        return True
        """,
        through=by_artifacts,
        in_sample=True,
    ),
    Attempt(
        "artifact-that-is-a-socket",
        """
        try:
            socket.socket(socket.AF_UNIX).bind('artifacts/socket')
        except OSError:
            os.mkfifo('artifacts/socket')
        return True
        """,
        through=by_artifacts,
    ),
    Attempt(
        "artifact-with-holes",
        """
        open('artifacts/hole', 'w').close()
        os.truncate('artifacts/hole', 3 << 30)
        return True
        """,
        through=lambda facts: by_growth(facts) or by_time(facts),
    ),
    Attempt(
        "spool-that-is-a-directory",
        "os.makedirs('.hero-spans.jsonl/inner'); return True",
        through=by_what_is_left,
    ),
    Attempt(
        "spool-with-holes",
        """
        open('.hero-spans.jsonl', 'w').close()
        os.truncate('.hero-spans.jsonl', 3 << 30)
        return True
        """,
        through=lambda facts: by_growth(facts) or by_time(facts),
        in_sample=True,
    ),
    Attempt(
        "attributes-of-files",
        """
        for number in range(100):
            name = f'file{number}'
            open(name, 'w').close()
            try:
                os.setxattr(name, 'user.hero', b'x' * 3000)
            except OSError:
                continue
        os.mkdir('directory')
        return True
        """,
        through=by_what_is_left,
    ),
    Attempt(
        "closed-work-directory",
        """
        os.mkdir('inner')
        try:
            os.chmod('.', 0)
        except OSError:
            pass
        return True
        """,
        through=by_what_is_left,
    ),
    Attempt(
        "work-directory-moved-away",
        """
        for way in ('../moved', '/moved', '../../moved'):
            try:
                os.rename(os.getcwd(), way)
            except OSError:
                continue
        return True
        """,
        through=by_what_is_left,
    ),
    Attempt(
        "names-that-are-no-text",
        r"""
        open(b'artifacts/\xff\n\x1b[2J', 'w').close()
        return True
        """,
        through=lambda facts: any("\udcff" in name for name in facts.artifacts),
    ),
]

FLOODS = [
    Attempt(
        "output",
        "return sum(os.write(1, b'x' * 999 + b'\\n') for _ in range(20_000))",
        through=by_output,
        limits=CAPTURED,
        in_sample=True,
    ),
    Attempt(
        "errors",
        "return sum(os.write(2, b'x' * 999 + b'\\n') for _ in range(20_000))",
        through=by_output,
        limits=CAPTURED,
    ),
    Attempt(
        "output-in-one-line",
        "return sum(os.write(1, b'x' * 65536) for _ in range(400))",
        through=by_output,
        limits=CAPTURED,
    ),
    Attempt(
        "spans",
        CHANNEL
        + """
line = json.dumps({'type': 'span_start', 'span_id': 'x' * 40, 'name': 'n'}).encode() + b'\\n'
for _ in range(300):
    channel.sendall(line * 1000)
return True
""",
        through=by_growth,
        in_sample=True,
    ),
    Attempt(
        "line-without-end",
        CHANNEL
        + """
for _ in range(100):
    channel.sendall(b'x' * (1 << 20))
return True
""",
        through=by_lines,
        in_sample=True,
    ),
    Attempt(
        "lines-that-are-too-long",
        CHANNEL
        + """
for _ in range(20):
    channel.sendall(b'{"type":"span_log","text":"' + b'x' * (3 << 20) + b'"}\\n')
return True
""",
        through=by_lines,
    ),
    Attempt(
        "descriptors",
        CHANNEL
        + """
with open('file', 'wb') as file:
    try:
        for _ in range(100):
            socket.send_fds(channel, [b'\\n'], [file.fileno()] * 20)
    except OSError as error:
        # The kernel has a bound of its own on how many are under way.
        return error.errno == errno.ETOOMANYREFS
return True
""",
        through=by_descriptors,
        in_sample=True,
    ),
    Attempt(
        "words-at-the-gate",
        """
        gate = socket.socket(fileno=os.dup(3))
        gate.setblocking(False)
        try:
            for _ in range(10_000):
                gate.send(b'x' * 100)
        except BlockingIOError:
            return True
        return True
        """,
        through=by_time,
    ),
    Attempt(
        "lines-as-deep-as-they-are-long",
        CHANNEL
        + """
for _ in range(20):
    channel.sendall(b'{"type":"span_tag","span_id":"x","tags":' + b'{"a":' * 190_000 + b'}\\n')
return True
""",
        through=by_lines,
    ),
    Attempt(
        "channel-that-is-shut-down",
        CHANNEL + "channel.shutdown(socket.SHUT_RDWR)\nreturn True\n",
        through=by_time,
    ),
    Attempt(
        "result-with-holes",
        "os.ftruncate(4, 3 << 30); os.lseek(4, 0, os.SEEK_END); return True",
        through=lambda facts: int(facts.grown_kib) > 256 << 10,
        may_die=True,
    ),
    Attempt(
        "result",
        """
        for number in range(80):
            os.pwrite(4, b'[' * (1 << 20), number << 20)
        os.lseek(4, 0, os.SEEK_END)
        return True
        """,
        through=lambda facts: int(facts.grown_kib) > 256 << 10,
        may_die=True,
    ),
]

ENDS = [
    Attempt(
        "gate-that-says-it-has-returned",
        """
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        os.write(3, b'R' * 100)
        while True:
            signal.pause()
        """,
        through=by_time,
        timeout_s=60,
        may_die=True,
        in_sample=True,
    ),
    Attempt(
        "gate-that-is-closed",
        """
        os.close(3)
        while True:
            signal.pause()
        """,
        through=by_time,
        timeout_s=1,
        may_die=True,
    ),
    Attempt(
        "first-thread-that-ends-before-its-time",
        """
        threading.Thread(target=pause, args=(60,)).start()
        call(60, 0)
        """,
        through=by_time,
        timeout_s=1,
        may_die=True,
    ),
    Attempt(
        "waiting-for-a-child-of-vfork",
        """
        # CLONE_VFORK: the parent waits, and hears nothing, until its child is gone.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        call(56, 0x4000 | signal.SIGCHLD, 0, 0, 0, 0)
        while True:
            signal.pause()
        """,
        through=by_time,
        timeout_s=1,
        may_die=True,
    ),
    Attempt(
        "stopped-by-a-child-over-and-over",
        """
        parent = os.getpid()
        if not os.fork():
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                os.kill(parent, signal.SIGSTOP)
        while True:
            signal.pause()
        """,
        through=by_time,
        timeout_s=1,
        may_die=True,
    ),
    Attempt(
        "channel-held-by-a-daemon",
        """
        if os.fork():
            os.wait()
            return True
        os.setsid()
        if os.fork():
            os._exit(0)
        os.closerange(0, 3)
        while True:
            signal.pause()
        """,
        through=by_time,
        in_sample=True,
    ),
    Attempt(
        "deaf-to-the-end-of-its-time",
        """
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            signal.pause()
        """,
        through=by_time,
        timeout_s=1,
        may_die=True,
        in_sample=True,
    ),
    Attempt(
        "stopped-at-the-end-of-its-time",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        through=by_time,
        timeout_s=1,
        may_die=True,
    ),
    Attempt(
        "forking-at-the-end-of-its-time",
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for _ in range(40):
            if os.fork():
                pause(30)
            os.setsid()
            pause(0.05)
        pause(30)
        """,
        through=by_time,
        timeout_s=1,
        may_die=True,
    ),
    Attempt(
        "thread-that-lingers",
        "threading.Thread(target=pause, args=(60,)).start(); return True",
        through=by_time,
        may_die=True,
    ),
    Attempt(
        "handler-that-hangs",
        "__import__('atexit').register(pause, 60); return True",
        through=by_time,
        may_die=True,
    ),
]


def as_made(attempts: list[Attempt]) -> list[Attempt]:
    """The same, which say themselves that they were made."""
    for attempt in attempts:
        object.__setattr__(attempt, "control", "itself")
    return attempts


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(as_made(FILES)))
def test_the_runtime_is_not_misled_by_files(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """What a play leaves is read and removed without following it anywhere, and within bounds."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(as_made(FLOODS)))
def test_the_runtime_is_not_flooded(ground_of: GroundOf, user: str, isolation: str, attempt: Attempt) -> None:
    """Whatever a play pours out, the runtime keeps what is allowed, in memory that does not grow with it."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(as_made(ENDS)))
def test_the_end_of_a_play_is_not_put_off(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """It comes within its grace, with nothing left, whatever the play does against it."""
    check(ground_of(user), isolation, attempt)
