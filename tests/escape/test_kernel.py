"""Attempts at the kernel itself: namespaces, mounts, doors that no flow needs, privileges, terminals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import ORDINARY_USER, OWN_USER, Attempt, Facts, Ground, cases, check

GroundOf = Callable[[str], Ground]

NAMESPACES = [
    Attempt("users", "return call(272, 0x10000000) == 0", in_sample=True),
    Attempt("users-and-network", "return call(272, 0x50000000) == 0"),
    Attempt("files", "return call(272, 0x00020000) == 0", users=(OWN_USER,)),
    Attempt(
        "cloned",
        "return in_child(lambda: None) == 0 and call(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0) >= 0",
    ),
    Attempt(
        "cloned-by-the-newer-call",
        """
        about = ctypes.create_string_buffer(struct.pack('8Q', 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
        pid = call(435, about, 64)
        if not pid:
            os._exit(0)
        return pid
        """,
    ),
    Attempt(
        "entered",
        "return call(308, os.open(f'/proc/{plants[\"bystander\"]}/ns/net', os.O_RDONLY), 0) == 0",
        users=(OWN_USER,),
    ),
    Attempt(
        "entered-by-a-process",
        "return call(308, os.pidfd_open(plants['bystander']), 0x40000000) == 0",
        users=(OWN_USER,),
    ),
]

MOUNTS = [
    Attempt(
        "temporary-files", "return call(165, b'x', b'tmp', b'tmpfs', 0, 0) == 0 and call(166, b'tmp', 2) == 0"
    ),
    Attempt(
        "bound",
        """
        call(165, plants['outside'].encode(), b'tmp', 0, 0x1000, 0)
        return call(166, b'tmp', 2) == 0
        """,
    ),
    Attempt(
        "processes",
        "return call(165, b'x', b'tmp', b'proc', 0, 0) == 0 and call(166, b'tmp', 2) == 0",
        in_sample=True,
    ),
    Attempt("made-writable", "return reaches(165, 0, b'/nowhere', 0, 0x1020, 0)"),
    Attempt("removed", "return reaches(166, b'/nowhere', 2)"),
    Attempt("root-changed", "return reaches(155, b'/nowhere', b'/nowhere')"),
    Attempt("tree-opened", "return call(428, -100, b'/', 1)"),
    Attempt("file-system-opened", "return call(430, b'tmpfs', 0)"),
    Attempt("moved", "return reaches(429, -1, b'/nowhere', -100, b'/nowhere', 0)"),
    Attempt("attributes", "return reaches(442, -100, b'/nowhere', 0, bytes(32), 32)"),
    Attempt("listed", "return reaches(458, bytes(24), bytes(64), 8, 0)"),
    Attempt("change-root", "return os.chroot('.') is None"),
]
DOORS = [
    Attempt(
        "read-a-key",
        "return call(250, 11, plants['key'], ctypes.create_string_buffer(64), 64)",
        users=(OWN_USER, ORDINARY_USER),
    ),
    Attempt("add-a-key", "return call(248, b'user', b'hero', b'x', 1, -2)", in_sample=True),
    Attempt("request-a-key", "return reaches(249, b'user', b'hero-nothing', 0, 0)"),
    Attempt(
        "bpf",
        "return call(321, 0, bytes(struct.pack('5I', 2, 4, 8, 1, 0)) + bytes(100), 120)",
        users=(OWN_USER,),
        in_sample=True,
    ),
    Attempt(
        "page-faults",
        "return call(323, 1)",
    ),
    Attempt(
        "performance-counters",
        """
        about = struct.pack('IIQ', 1, 128, 0) + struct.pack('QQQQ', 0, 0, 0, 0x60) + bytes(80)
        return call(298, about, 0, -1, -1, 0)
        """,
    ),
    Attempt("ring", "return call(425, 4, ctypes.create_string_buffer(256))", in_sample=True),
    Attempt("secret-memory", "return call(447, 0)"),
    Attempt("memory-file", "return os.memfd_create('x')"),
    Attempt("local-descriptors", "return reaches(154, 0, ctypes.create_string_buffer(64), 64)"),
    Attempt("personality", "return call(135, 0x0040000) >= 0"),
    Attempt("kernel-log", "return call(103, 10, 0, 0)", users=(OWN_USER,)),
    Attempt("time", "return reaches(227, 99, bytes(16))", users=(OWN_USER,)),
    Attempt("time-of-day", "return reaches(164, struct.pack('qq', 0, 10**9), 0)", users=(OWN_USER,)),
    Attempt(
        "clock-rate",
        "return reaches(159, ctypes.create_string_buffer(struct.pack('I', 0x4000), 256))",
        users=(OWN_USER,),
    ),
    Attempt("host-name", "return reaches(170, b'x', -1)", users=(OWN_USER,)),
    Attempt("ports", "return call(172, 3) == 0", users=(OWN_USER,)),
    Attempt("module", "return reaches(313, -1, b'', 0)", users=(OWN_USER,)),
    Attempt("module-from-memory", "return reaches(175, 0, 0, 0)", users=(OWN_USER,)),
    Attempt("another-kernel", "return reaches(246, 0, 99, 0, 0xFF000000)", users=(OWN_USER,)),
    Attempt("restart", "return reaches(169, 1, 2, 3)", users=(OWN_USER,)),
    Attempt("swap", "return reaches(167, b'/nowhere', 0)", users=(OWN_USER,)),
    Attempt("accounting", "return reaches(163, b'/nowhere')", users=(OWN_USER,)),
    Attempt("quotas", "return reaches(179, -1, b'/nowhere', 0, 0)"),
    Attempt(
        "shared-memory-of-the-user",
        """
        libc.shmat.restype = ctypes.c_void_p
        at = libc.shmat(plants['segment'], None, 0o10000)
        if at == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), 'shmat')
        return ctypes.string_at(at).decode() == plants['secret']
        """,
        in_sample=True,
    ),
    Attempt("keys-listed", "return f'{plants[\"key\"]:08x} ' in open('/proc/keys').read()", in_sample=True),
    Attempt(
        "urgent-bytes-of-a-pair",
        "one, other = socket.socketpair()\nreturn one.send(b'x', socket.MSG_OOB)",
        in_sample=True,
    ),
    Attempt(
        "urgent-bytes-in-a-message",
        """
        one, other = socket.socketpair()
        try:
            one.send(b'y')
            return other.recvmsg(1, 0, socket.MSG_OOB)
        except OSError as error:
            # Nothing is urgent: it came past the question whether it may be asked.
            return error.errno == errno.EINVAL
        """,
    ),
    Attempt(
        "urgent-bytes-to-the-listener",
        """
        number = int(os.environ.get('HERO_FLOW_SPAN_FD', '-1'))
        pair = socket.socketpair()
        channel = socket.socket(fileno=os.dup(number)) if number >= 0 else pair[0]
        return channel.send(b'x', socket.MSG_OOB)
        """,
    ),
    Attempt(
        "filter-of-a-socket",
        """
        code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0xffff))
        program = struct.pack('HxxxxxxP', 1, ctypes.addressof(code))
        one, other = socket.socketpair()
        return one.setsockopt(socket.SOL_SOCKET, 26, program) is None
        """,
        in_sample=True,
    ),
    Attempt(
        "filter-of-a-port",
        """
        code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))
        program = struct.pack('HxxxxxxP', 1, ctypes.addressof(code))
        server = socket.socket(type=socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return server.setsockopt(socket.SOL_SOCKET, 51, program) is None
        """,
    ),
    Attempt(
        "tls-in-the-kernel",
        """
        server = socket.create_server(('127.0.0.1', 0))
        client = socket.create_connection(server.getsockname())
        try:
            return client.setsockopt(socket.IPPROTO_TCP, 31, b'tls') is None
        except FileNotFoundError:
            return True  # it looked for a module of the kernel, which this one does not have
        """,
    ),
    Attempt(
        "attributes-by-the-newest-call",
        "return call(468, -100, b'.', ctypes.create_string_buffer(64), 24, 0) == 0",
    ),
    Attempt("shared-memory-listed", "return str(plants['segment']) in open('/proc/sysvipc/shm').read()"),
]

MACHINE_CODE = """
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex({text!r}))
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
function = ctypes.CFUNCTYPE(ctypes.c_long)(address)
answer = ctypes.c_int(function()).value
if answer < 0:
    raise OSError(-answer, os.strerror(-answer))
return answer
"""

FOREIGN = [
    # mov eax, 20 (getpid of 32-bit programs); int 0x80; ret
    Attempt("calls-of-32-bits", MACHINE_CODE.format(text="b814000000cd80c3"), in_sample=True, may_die=True),
    # mov eax, 0x40000027 (getpid of x32); syscall; ret
    Attempt("calls-of-x32", MACHINE_CODE.format(text="b8270000400f05c3"), may_die=True),
    # mov eax, 0x40000000 + 101; xor edi, edi; syscall; ret: ptrace of x32
    Attempt("ptrace-of-x32", MACHINE_CODE.format(text="b86500004031ff0f05c3"), may_die=True),
    # push ebx; xor ebx, ebx; mov eax, 26; xor ecx, ecx; int 0x80; pop ebx; ret: PTRACE_TRACEME of 32 bits
    Attempt(
        "ptrace-of-32-bits",
        MACHINE_CODE.format(text="5331dbb81a00000031c9cd805bc3").replace("return answer", "return True"),
        may_die=True,
    ),
]

SET_ID = [
    Attempt(
        "mode",
        "open('mine', 'w').close(); os.chmod('mine', 0o4755); return os.stat('mine').st_mode & 0o4000",
        in_sample=True,
    ),
    Attempt(
        "mode-of-a-group",
        "open('mine', 'w').close(); os.chmod('mine', 0o2755); return os.stat('mine').st_mode & 0o2000",
    ),
    Attempt(
        "mode-of-a-descriptor",
        "file = open('mine', 'w'); os.fchmod(file.fileno(), 0o4755); return os.stat('mine').st_mode & 0o4000",
    ),
    Attempt(
        "mode-by-the-newer-call",
        """
        open('mine', 'w').close()
        call(452, -100, b'mine', 0o4755, 0)
        return os.stat('mine').st_mode & 0o4000
        """,
    ),
    Attempt(
        "opened",
        """
        os.close(os.open('mine', os.O_CREAT | os.O_WRONLY, 0o4755))
        return os.stat('mine').st_mode & 0o4000
        """,
        in_sample=True,
    ),
    Attempt("made", "os.mknod('mine', 0o4755 | stat.S_IFREG); return os.stat('mine').st_mode & 0o4000"),
    Attempt("created", "call(85, b'mine', 0o4755); return os.stat('mine').st_mode & 0o4000"),
    Attempt(
        "opened-by-the-newer-call",
        """
        call(437, -100, b'mine', struct.pack('QQQ', os.O_CREAT | os.O_WRONLY, 0o4755, 0), 24)
        return os.stat('mine').st_mode & 0o4000
        """,
    ),
    Attempt(
        "nameless",
        "file = os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o4755); return os.fstat(file).st_mode & 0o4000",
    ),
    Attempt(
        "capabilities-of-a-file",
        """
        open('mine', 'w').close()
        os.setxattr('mine', 'security.capability', struct.pack('<IIIII', 0x02000001, 1 << 21, 0, 0, 0))
        return os.getxattr('mine', 'security.capability')
        """,
        users=(OWN_USER,),
        in_sample=True,
    ),
    Attempt(
        "directory-of-a-group",
        "os.mkdir('mine', 0o2755); os.chmod('mine', 0o2755); return os.stat('mine').st_mode & 0o2000",
    ),
]

PROGRAM_OF_ROOT = """
program = subprocess.Popen([{name!r}, *{arguments!r}], env={{'PATH': '/bin:/usr/bin:/sbin:/usr/sbin'}},
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
for _ in range(100):
    lines = open(f'/proc/{{program.pid}}/status').read().splitlines()
    users = next(line for line in lines if line.startswith('Uid:')).split()
    if {name!r} in lines[0]:
        break
    pause(0.01)
program.kill()
return '0' in users[2:]
"""

PRIVILEGES = [
    Attempt(
        "su",
        PROGRAM_OF_ROOT.format(name="su", arguments=("-c", "cat")),
        control="bare",
        users=(ORDINARY_USER,),
    ),
    Attempt(
        "ping",
        PROGRAM_OF_ROOT.format(name="ping", arguments=("127.0.0.1",)),
        control="bare",
        users=(ORDINARY_USER,),
    ),
    Attempt(
        "passwd", PROGRAM_OF_ROOT.format(name="passwd", arguments=()), control="bare", users=(ORDINARY_USER,)
    ),
    Attempt("become-somebody-else", "return os.setuid(12345) is None", users=(OWN_USER,), in_sample=True),
    Attempt("leave-groups", "return os.setgroups([]) is None", users=(OWN_USER,)),
    Attempt(
        "give-away",
        "open('mine', 'w').close(); return os.chown('mine', 12345, 12345) is None",
        users=(OWN_USER,),
    ),
    Attempt(
        "capabilities",
        "return int(open('/proc/self/status').read().partition('CapEff:')[2].split()[0], 16)",
        users=(OWN_USER,),
        in_sample=True,
    ),
    Attempt(
        "real-time",
        "return os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) is None",
        users=(OWN_USER,),
    ),
    Attempt(
        "before-all-others",
        "return os.nice(-1) < 0 or os.getpriority(0, 0)",
        users=(OWN_USER,),
        in_sample=True,
    ),
    Attempt("disk-before-all-others", "return call(251, 1, 0, 1 << 13) == 0", users=(OWN_USER,)),
    Attempt(
        "file-that-cannot-be-removed",
        """
        import fcntl
        file = os.open('mine', os.O_CREAT | os.O_RDWR)
        fcntl.ioctl(file, 0x40086602, struct.pack('l', 0x10))
        fcntl.ioctl(file, 0x40086602, struct.pack('l', 0))
        return True
        """,
        users=(OWN_USER,),
        in_sample=True,
    ),
    Attempt(
        "capabilities-of-a-program",
        """
        text = subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout
        return int('0' + text.partition('CapEff:')[2].strip().partition('\\n')[0], 16)
        """,
        users=(OWN_USER,),
    ),
]

TERMINALS = [
    Attempt(
        "type-into-a-terminal",
        """
        import fcntl, termios
        if not os.path.exists('/dev/ptmx'):
            raise FileNotFoundError('/dev/ptmx')
        pid, end = os.forkpty()
        if not pid:
            try:
                fcntl.ioctl(0, termios.TIOCSTI, b'x')
                os._exit(0)
            except OSError:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """,
        in_sample=True,
    ),
    Attempt(
        "type-with-high-bits",
        "return reaches(16, 0, 0x5412 | 1 << 32, b'x')",
        through=lambda facts: "Permission" not in facts.told and "not permitted" not in facts.told,
    ),
    Attempt(
        "type-by-the-console",
        "return reaches(16, 0, 0x541C, b'\\3')",
        through=lambda facts: "not permitted" not in facts.told,
    ),
    Attempt(
        "console",
        "return os.open('/dev/console', os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)",
        users=(OWN_USER,),
    ),
]


def by_core_files(facts: Facts) -> bool:
    """Whether a crash left a file with the memory of the process."""
    return bool(facts.found.get("cores")) or any(
        name.startswith("core") for name in facts.found.get("left", [])
    )


CORES = [
    Attempt(
        "core-file",
        """
        import resource
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        if os.fork():
            os.wait()
            return [name for name in os.listdir('.') if name.startswith('core')]
        os.abort()
        """,
        control="bare",
    ),
    Attempt(
        "core-files-allowed-again",
        """
        import resource
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
        return True
        """,
        users=(OWN_USER,),
    ),
]


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(NAMESPACES))
def test_no_namespace_can_be_made_or_entered(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """In one of its own a play would have every capability again."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(MOUNTS))
def test_nothing_can_be_mounted(ground_of: GroundOf, user: str, isolation: str, attempt: Attempt) -> None:
    """What the play sees of the files stays as it was made."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(DOORS))
def test_parts_of_the_kernel_that_no_flow_needs_are_closed(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """What belongs to the machine, what is shared by all of a user's processes, and what broke before."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(FOREIGN))
def test_calls_of_another_architecture_are_closed(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """A 64-bit program can make the calls of 32-bit ones, by other numbers than are looked at."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(SET_ID))
def test_no_file_can_be_left_that_runs_as_its_owner(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """A set-id bit would let somebody else on the host be the one who ran the play."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(PRIVILEGES))
def test_no_privilege_can_be_gained(ground_of: GroundOf, user: str, isolation: str, attempt: Attempt) -> None:
    """Not by a set-id program, and not by being root."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(TERMINALS))
def test_no_terminal_can_be_typed_into(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """A play that pushes characters into the operator's terminal would run commands there."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(CORES))
def test_a_crash_leaves_no_core_file(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """The memory of a play goes into no file, whatever it asks for."""
    check(ground_of(user), isolation, attempt)
