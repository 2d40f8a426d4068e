"""Attempts at other processes: to signal, steer, read or even see them, and to live on after the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import (
    ORDINARY_USER,
    OWN_USER,
    Attempt,
    Ground,
    by_what_is_touched,
    by_what_survives,
    cases,
    check,
)

GroundOf = Callable[[str], Ground]

SIGNALS = [
    Attempt("kill-a-bystander", "return os.kill(plants['bystander'], 0) is None", in_sample=True),
    Attempt("kill-the-runtime", "return os.kill(plants['runtime'], 0) is None"),
    Attempt(
        "kill-the-parent", "return os.getppid() > 1 and os.kill(os.getppid(), 0) is None", in_sample=True
    ),
    Attempt("kill-the-spawner", "return os.kill(plants['spawner'], 0) is None"),
    Attempt("kill-another-play", "return os.kill(plants['other_pid'], 0) is None"),
    Attempt("kill-a-group", "return os.killpg(plants['bystander'], 0) is None"),
    Attempt("kill-a-thread", "return call(234, plants['bystander'], plants['bystander'], 0) == 0"),
    Attempt(
        "queue-a-signal",
        """
        about = ctypes.create_string_buffer(struct.pack('iii', 0, 0, -1), 128)
        return call(129, plants['bystander'], 0, about) == 0
        """,
    ),
    Attempt(
        "process-descriptor",
        "return signal.pidfd_send_signal(os.pidfd_open(plants['bystander']), 0) is None",
        in_sample=True,
    ),
    Attempt(
        "queue-a-signal-to-a-thread",
        """
        about = ctypes.create_string_buffer(struct.pack('iii', 0, 0, -1), 128)
        return call(297, plants['bystander'], plants['bystander'], 0, about) == 0
        """,
    ),
    Attempt(
        "signal-to-the-peer-of-what-was-handed-in",
        """
        gate = socket.socket(fileno=os.dup(3))
        peer = struct.unpack('i', gate.getsockopt(socket.SOL_SOCKET, 77, 4))[0]
        return signal.pidfd_send_signal(peer, 0) is None
        """,
        in_sample=True,
    ),
    Attempt(
        "signal-from-a-socket",
        """
        import fcntl
        one, other = socket.socketpair()
        fcntl.fcntl(one.fileno(), 10, signal.SIGUSR1)
        fcntl.ioctl(one.fileno(), 0x8901, struct.pack('i', plants['bystander']))
        fcntl.fcntl(one.fileno(), fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        other.send(b'x')
        pause(0.1)
        """,
        through=by_what_is_touched,
    ),
    Attempt(
        "signal-from-a-descriptor-to-a-thread",
        """
        import fcntl
        end, other_end = os.pipe()
        fcntl.fcntl(end, 10, signal.SIGUSR1)
        fcntl.fcntl(end, 15, struct.pack('ii', 0, plants['bystander']))
        fcntl.fcntl(end, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(other_end, b'x')
        pause(0.1)
        """,
        through=by_what_is_touched,
    ),
    Attempt(
        "signal-from-a-descriptor",
        """
        import fcntl
        end, other_end = os.pipe()
        fcntl.fcntl(end, 10, signal.SIGUSR1)
        fcntl.fcntl(end, fcntl.F_SETOWN, plants['bystander'])
        fcntl.fcntl(end, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(other_end, b'x')
        pause(0.1)
        """,
        through=by_what_is_touched,
    ),
]

READS = [
    Attempt(
        "ptrace",
        """
        call(101, 0x4206, plants['bystander'], 0, 0)
        call(101, 0x4207, plants['bystander'], 0, 0)
        os.waitpid(plants['bystander'], 0x40000000)
        return call(101, 17, plants['bystander'], 0, 0) == 0
        """,
        in_sample=True,
    ),
    Attempt("ptrace-of-the-parent", "return call(101, 0x4206, os.getppid(), 0, 0) == 0"),
    Attempt("traced-by-the-parent", "return call(101, 0, 0, 0, 0) == 0"),
    Attempt(
        "read-memory",
        """
        into = ctypes.create_string_buffer(64)
        local = (ctypes.c_void_p * 2)(ctypes.addressof(into), len(plants['secret']))
        other = (ctypes.c_void_p * 2)(plants['address'], len(plants['secret']))
        call(310, plants['bystander'], local, 1, other, 1, 0)
        return into.value.decode() == plants['secret']
        """,
        in_sample=True,
    ),
    Attempt(
        "write-memory",
        """
        of = ctypes.create_string_buffer(plants['secret'].encode())
        local = (ctypes.c_void_p * 2)(ctypes.addressof(of), len(plants['secret']))
        other = (ctypes.c_void_p * 2)(plants['address'], len(plants['secret']))
        return call(311, plants['bystander'], local, 1, other, 1, 0)
        """,
    ),
    Attempt(
        "memory-in-proc",
        "return os.pread(os.open(f'/proc/{plants[\"bystander\"]}/mem', os.O_RDONLY), 8, plants['address'])",
    ),
    Attempt(
        "take-a-descriptor",
        "return os.read(call(438, os.pidfd_open(plants['bystander']), plants['held'], 0), 64)",
        in_sample=True,
    ),
    Attempt(
        "compare",
        "return call(312, os.getpid(), plants['bystander'], 1, 0, 0) >= 0",
    ),
    Attempt(
        "advise-memory",
        """
        about = (ctypes.c_void_p * 2)(plants['address'] & ~4095, 4096)
        return call(440, os.pidfd_open(plants['bystander']), about, 1, 20, 0)
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "list-of-futexes",
        """
        head, length = ctypes.c_void_p(), ctypes.c_size_t()
        return call(274, plants['bystander'], ctypes.byref(head), ctypes.byref(length)) == 0
        """,
    ),
    Attempt("open-files-in-proc", "return os.listdir(f'/proc/{plants[\"bystander\"]}/fd')"),
]

STEERS = [
    Attempt(
        "limits",
        """
        import resource
        return resource.prlimit(plants['bystander'], resource.RLIMIT_CORE)
        """,
        in_sample=True,
    ),
    Attempt(
        "affinity",
        "return os.sched_setaffinity(plants['bystander'], os.sched_getaffinity(plants['bystander'])) is None",
    ),
    Attempt(
        "scheduler",
        "return os.sched_setscheduler(plants['bystander'], os.SCHED_OTHER, os.sched_param(0)) is None",
    ),
    Attempt("priority", "return os.setpriority(os.PRIO_PROCESS, plants['bystander'], 1) is None"),
    Attempt("priority-of-a-group", "return os.setpriority(os.PRIO_PGRP, plants['bystander'], 1) is None"),
    Attempt(
        "priority-of-the-user",
        """
        os.setpriority(os.PRIO_USER, 0, 2)
        return os.getpriority(os.PRIO_PROCESS, plants['bystander']) == 2
        """,
        # Not as the one who runs the tests: without isolation it reaches all that they run.
        users=(ORDINARY_USER,),
    ),
    Attempt(
        "disk-priority-of-the-user",
        """
        call(251, 3, os.getuid(), 3 << 13)
        return call(252, 1, plants['bystander']) == 3 << 13
        """,
        users=(ORDINARY_USER,),
    ),
    Attempt("disk-priority", "return call(251, 1, plants['bystander'], 2 << 13 | 4) == 0"),
    Attempt(
        "out-of-memory-score",
        "return os.open(f'/proc/{plants[\"bystander\"]}/oom_score_adj', os.O_WRONLY)",
    ),
    Attempt(
        "move-pages",
        """
        pages, status = (ctypes.c_void_p * 1)(plants['address'] & ~4095), (ctypes.c_int * 1)()
        return call(279, plants['bystander'], 1, pages, 0, status, 0) >= 0
        """,
    ),
    Attempt(
        "stop-the-parent",
        """
        os.kill(os.getppid(), signal.SIGCONT)
        return os.getppid() > 1
        """,
    ),
]

VISIBLE_NUMBERS = "processes have one table of numbers, and Landlock hides none of them"
FINDS = [
    Attempt(
        "number",
        """
        try:
            os.getpgid(plants['bystander'])
        except ProcessLookupError:
            return False
        return True
        """,
        in_sample=True,
        holds_not_in={"landlock": VISIBLE_NUMBERS},
    ),
    Attempt(
        "entry-in-proc",
        "return os.path.exists(f'/proc/{plants[\"bystander\"]}')",
        holds_not_in={"landlock": VISIBLE_NUMBERS},
    ),
    Attempt(
        "session",
        "return os.getsid(plants['bystander'])",
        holds_not_in={"landlock": VISIBLE_NUMBERS},
    ),
    Attempt(
        "priority",
        "os.getpriority(os.PRIO_PROCESS, plants['bystander']); return True",
        holds_not_in={"landlock": VISIBLE_NUMBERS},
    ),
    Attempt(
        "processors",
        "return os.sched_getaffinity(plants['bystander'])",
        holds_not_in={"landlock": VISIBLE_NUMBERS},
    ),
    Attempt(
        "clock",
        "return time.clock_gettime((~plants['bystander'] << 3) | 2)",
        holds_not_in={"landlock": VISIBLE_NUMBERS},
    ),
    Attempt("list", "return str(plants['bystander']) in os.listdir('/proc')"),
]

DAEMON = """
if os.fork():
    os.wait()
    return True
os.setsid()
if os.fork():
    os._exit(0)
{how}
{closes}
while True:
    signal.pause()
"""
"""Forked twice, in a session of its own."""

LIVES_ON = [
    Attempt("daemon", DAEMON.format(how="", closes=""), control="bare", through=by_what_survives),
    Attempt(
        "daemon-without-descriptors",
        DAEMON.format(how="", closes="os.closerange(0, 4096)"),
        control="bare",
        through=by_what_survives,
        in_sample=True,
    ),
    Attempt(
        "daemon-deaf-to-every-signal",
        DAEMON.format(
            how="for number in signal.valid_signals() - {9, 19}: signal.signal(number, signal.SIG_IGN)",
            closes="signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())",
        ),
        control="bare",
        through=by_what_survives,
    ),
    Attempt(
        "daemon-that-asked-not-to-die",
        DAEMON.format(how="libc.prctl(1, 0, 0, 0, 0)", closes="libc.prctl(36, 1, 0, 0, 0)"),
        control="bare",
        through=by_what_survives,
    ),
    Attempt(
        "daemon-that-cannot-be-looked-into",
        DAEMON.format(how="libc.prctl(4, 0, 0, 0, 0)", closes=""),
        control="bare",
        through=by_what_survives,
        users=(OWN_USER,),
    ),
    Attempt(
        "stopped-child",
        """
        pid = in_child(lambda: os.kill(os.getpid(), signal.SIGSTOP), linger=True)
        os.waitpid(pid, os.WUNTRACED)
        return True
        """,
        control="bare",
        through=by_what_survives,
    ),
    Attempt(
        "sibling",
        """
        # CLONE_PARENT: the child of its parent's parent.
        pid = call(56, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0)
        while not pid:
            signal.pause()
        return True
        """,
        control="bare",
        through=by_what_survives,
    ),
    Attempt(
        "a-child-for-each-that-ends",
        """
        # A hundred generations, each begun by the one before; the last one stays.
        for _ in range(100):
            if os.fork():
                if _ == 0:
                    pause(0.5)
                    return True
                os._exit(0)
            os.setsid()
        while True:
            signal.pause()
        """,
        control="bare",
        through=by_what_survives,
    ),
    Attempt(
        "thread-that-does-not-end",
        """
        threading.Thread(target=signal.pause, daemon=True).start()
        in_child(lambda: [os.setsid(), signal.pause()], linger=True)
        return True
        """,
        control="bare",
        through=by_what_survives,
    ),
]


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(SIGNALS))
def test_nobody_else_can_be_signalled(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Neither bystanders of the same user, nor the runtime, nor what supervises the play, nor other plays."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(READS))
def test_no_other_process_can_be_looked_into(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Not its memory, not its descriptors; nor can it be traced."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(STEERS))
def test_no_other_process_can_be_steered(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Not its limits, its priority or where it runs; nor those of all that belong to the user."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(FINDS))
def test_no_other_process_can_be_seen(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Which processes there are is not told; Landlock alone cannot hide their numbers."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(LIVES_ON))
def test_nothing_lives_on_after_its_play(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """However a process hides from its parents, it ends with the play; a plain program leaves it behind."""
    check(ground_of(user), isolation, attempt)
