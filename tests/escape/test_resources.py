"""Attempts at the machine's resources: memory, processor time, processes, descriptors, disk.

Where nothing holds them they go past the limit, which is small, and end; each takes at most so much that no
harm comes of it: 300 MiB, two seconds of a processor, 60 processes.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import ORDINARY_USER, OWN_USER, Attempt, Ground, cases, check, of_the_tree

GroundOf = Callable[[str], Ground]

MIB = 1 << 20
TREE_MEMORY = {"tree_memory_bytes": 96 * MIB}
TREE_CPU = {"tree_cpu_s": 1}
TREE_PROCESSES = {"tree_processes": 20}

OF_ONE = [
    Attempt(
        "memory",
        "return len(bytearray(b'x') * (300 << 20))",
        limits={"RLIMIT_AS": 256 * MIB},
        in_sample=True,
    ),
    Attempt(
        "memory-mapped",
        "return mmap.mmap(-1, 300 << 20).write(b'x')",
        limits={"RLIMIT_AS": 256 * MIB},
    ),
    Attempt(
        "limit-raised",
        """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return len(bytearray(300 << 20))
        """,
        limits={"RLIMIT_AS": 256 * MIB},
    ),
    Attempt(
        "processor-time",
        """
        until = time.process_time() + 2
        while time.process_time() < until:
            pass
        return True
        """,
        limits={"RLIMIT_CPU": 1},
        may_die=True,
    ),
    Attempt(
        "processor-time-with-the-signal-ignored",
        """
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        until = time.process_time() + 3
        while time.process_time() < until:
            pass
        return True
        """,
        limits={"RLIMIT_CPU": 1},
        may_die=True,
    ),
    Attempt(
        "descriptors",
        "return len([os.open('/dev/null', os.O_RDONLY) for _ in range(200)])",
        limits={"RLIMIT_NOFILE": 100},
        in_sample=True,
    ),
    Attempt(
        "file-size",
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        return open('file', 'wb').write(bytes(3 << 20))
        """,
        limits={"RLIMIT_FSIZE": MIB},
    ),
    Attempt(
        "file-size-allocated",
        "return os.posix_fallocate(os.open('file', os.O_CREAT | os.O_WRONLY), 0, 3 << 20) is None",
        limits={"RLIMIT_FSIZE": MIB},
        may_die=True,
    ),
    Attempt(
        "processes-of-the-user",
        """
        pids = [in_child(signal.pause, linger=True) for _ in range(40)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)
        """,
        limits={"RLIMIT_NPROC": 20},
        users=(ORDINARY_USER,),
    ),
    Attempt(
        "locked-memory",
        """
        pages = mmap.mmap(-1, 64 << 20)
        address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        if libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(64 << 20)):
            raise OSError(ctypes.get_errno(), 'mlock')
        return True
        """,
        users=(OWN_USER,),
    ),
]


HOLD = "pause(2)\nreturn True\n"
"""Ten looks of the watcher's."""

MEMORY = [
    Attempt(
        "one-process",
        "pages = bytearray(b'x') * (200 << 20)\n" + HOLD,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "many-processes",
        """
        def take():
            pages = bytearray(b'x') * (50 << 20)
            pause(2)
        pids = [in_child(take, linger=True) for _ in range(4)]
        return all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
        """,
        limits=TREE_MEMORY,
        in_sample=True,
    ),
    Attempt(
        "shared-by-forks",
        """
        shared = mmap.mmap(-1, 200 << 20)
        for at in range(0, 200 << 20, 4096):
            shared[at] = 1
        in_child(signal.pause, linger=True)
        """
        + HOLD.replace("\n", "\n        "),
        limits=TREE_MEMORY,
    ),
    Attempt(
        "daemon",
        """
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            pages = bytearray(b'x') * (200 << 20)
            open('up', 'w').close()
            pause(30)
        while not os.path.exists('up'):
            pause(0.05)
        pause(2)
        return True
        """,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "sibling",
        """
        if not call(56, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0):
            pages = bytearray(b'x') * (200 << 20)
            open('up', 'w').close()
            pause(30)
        while not os.path.exists('up'):
            pause(0.05)
        pause(2)
        return True
        """,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "process-whose-first-thread-has-ended",
        """
        def hide():
            def take():
                pages = bytearray(b'x') * (200 << 20)
                open('up', 'w').close()
                pause(30)
            threading.Thread(target=take).start()
            call(60, 0)
        in_child(hide, linger=True)
        while not os.path.exists('up'):
            pause(0.05)
        pause(2)
        return True
        """,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "process-that-cannot-be-looked-into",
        "libc.prctl(4, 0, 0, 0, 0)\npages = bytearray(b'x') * (200 << 20)\n" + HOLD,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "memory-file",
        """
        import resource
        file = os.memfd_create('x')
        for _ in range(200):
            os.write(file, bytes(1 << 20))
        pause(2)
        return True
        """,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "shared-memory-files",
        """
        with open('/dev/shm/hero-escape', 'wb') as file:
            os.unlink('/dev/shm/hero-escape')
            for _ in range(200):
                file.write(bytes(1 << 20))
        return True
        """,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "detached-segments",
        """
        libc.shmat.restype = ctypes.c_void_p
        segments = [libc.shmget(0, 50 << 20, 0o1600) for _ in range(4)]
        if min(segments) < 0:
            raise OSError(ctypes.get_errno(), 'shmget')
        for segment in segments:
            at = libc.shmat(segment, None, 0)
            ctypes.memset(at, 1, 50 << 20)
            libc.shmdt(ctypes.c_void_p(at))
        pause(2)
        for segment in segments:
            libc.shmctl(segment, 0, None)
        return True
        """,
        limits=TREE_MEMORY,
    ),
    Attempt(
        "socket-buffers",
        """
        ends = []
        for _ in range(400):
            one, other = socket.socketpair()
            one.setblocking(False)
            ends += [one, other]
            try:
                while True:
                    one.send(bytes(65536))
            except BlockingIOError:
                continue
        pause(1)
        return len(ends)
        """,
        limits={"tree_open_files": 500},
    ),
]

PROCESSOR = [
    Attempt(
        "many-processes",
        """
        def burn():
            until = time.process_time() + 1.5
            while time.process_time() < until:
                pass
        pids = [in_child(burn, linger=True) for _ in range(2)]
        return all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
        """,
        limits=TREE_CPU,
    ),
    Attempt(
        "one-after-the-other",
        """
        def burn():
            until = time.process_time() + 0.5
            while time.process_time() < until:
                pass
        return [in_child(burn) for _ in range(4)] == [0] * 4 and pause(0.5) is None
        """,
        limits=TREE_CPU,
    ),
    Attempt(
        "children-that-nobody-waits-for",
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        def burn():
            until = time.process_time() + 0.5
            while time.process_time() < until:
                pass
        for _ in range(5):
            in_child(burn, linger=True)
            try:
                os.wait()
            except ChildProcessError:
                continue
        return pause(0.5) is None
        """,
        limits=TREE_CPU,
    ),
    Attempt(
        "daemons",
        """
        for number in range(3):
            if not os.fork():
                if os.fork():
                    os._exit(0)
                until = time.process_time() + 1
                while time.process_time() < until:
                    pass
                open(f'done{number}', 'w').close()
                pause(30)
            os.wait()
        while not all(os.path.exists(f'done{number}') for number in range(3)):
            pause(0.05)
        pause(0.5)
        return True
        """,
        limits=TREE_CPU,
    ),
]

PROCESSES = [
    Attempt(
        "forks",
        """
        pids = [in_child(signal.pause, linger=True) for _ in range(50)]
        pause(1)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)
        """,
        limits=TREE_PROCESSES,
        in_sample=True,
    ),
    Attempt(
        "forks-of-forks",
        """
        for _ in range(5):
            os.fork()
        if os.getppid() != int(open('/proc/self/stat').read().rpartition(')')[2].split()[1]):
            return False
        pause(2)
        return True
        """,
        limits=TREE_PROCESSES,
    ),
    Attempt(
        "daemons",
        """
        for _ in range(50):
            if not os.fork():
                if os.fork():
                    os._exit(0)
                pause(30)
            os.wait()
        pause(1)
        return True
        """,
        limits=TREE_PROCESSES,
    ),
    Attempt(
        "threads",
        """
        for _ in range(50):
            threading.Thread(target=pause, args=(30,), daemon=True).start()
        pause(1)
        return True
        """,
        limits=TREE_PROCESSES,
    ),
    Attempt(
        "dead-children",
        """
        for _ in range(50):
            in_child(lambda: None, linger=True)
        pause(1)
        return True
        """,
        limits=TREE_PROCESSES,
    ),
]

OF_THE_USER = [
    Attempt(
        "descriptors-on-their-way",
        """
        file = os.open('/dev/null', os.O_RDONLY)
        pairs = [socket.socketpair() for _ in range(20)]
        try:
            for one, _ in pairs:
                for _ in range(10):
                    socket.send_fds(one, [b'x'], [file] * 100)
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:
                raise
        open('up', 'w').close()
        pause(1)
        return True
        """,
        through=lambda facts: facts.beside != "returned",
        users=(ORDINARY_USER,),
        has_neighbour=True,
    ),
    Attempt(
        "locks-of-files-that-all-use",
        """
        import fcntl
        fcntl.flock(open(os.__file__), fcntl.LOCK_EX)
        fcntl.flock(open(sys.executable, 'rb'), fcntl.LOCK_EX)
        open('up', 'w').close()
        pause(0.5)
        return True
        """,
        control="itself",
        through=lambda facts: facts.beside != "returned",
        has_neighbour=True,
    ),
]


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(OF_ONE))
def test_one_process_cannot_go_past_its_limits(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """The limits that the kernel has for a process hold, and cannot be raised."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(of_the_tree(MEMORY)))
def test_all_processes_together_cannot_take_more_memory(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """The watcher counts what all have, however it is come by."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(of_the_tree(PROCESSOR)))
def test_all_processes_together_cannot_take_more_processor_time(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """What those used that have ended is counted too."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(of_the_tree(PROCESSES)))
def test_a_play_cannot_have_more_processes(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Threads count, and so does what was forked twice."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(OF_THE_USER))
def test_a_play_cannot_keep_others_from_starting(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """What the kernel counts by user is the runtime's too; a play that uses it up must not matter to it."""
    check(ground_of(user), isolation, attempt)
