"""Attempts at files: to read, find or change what a play was not given, and what it runs on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import ORDINARY_USER, OWN_USER, Attempt, Ground, by_what_is_touched, cases, check

GroundOf = Callable[[str], Ground]

READS = [
    Attempt("open", "return open(plants['file']).read()", in_sample=True),
    Attempt(
        "path-descriptor",
        """
        descriptor = os.open(plants['file'], os.O_PATH)
        return open(f'/proc/self/fd/{descriptor}').read()
        """,
    ),
    Attempt(
        "symbolic-link",
        """
        os.symlink(plants['file'], 'link')
        return open('link').read()
        """,
    ),
    Attempt(
        "hard-link",
        """
        os.link(plants['file'], 'mine')
        return open('mine').read()
        """,
        in_sample=True,
    ),
    Attempt(
        "hard-link-of-a-descriptor",
        """
        descriptor = os.open(plants['file'], os.O_PATH)
        libc.linkat(-100, f'/proc/self/fd/{descriptor}'.encode(), -100, b'mine', 0x400)
        return open('mine').read()
        """,
    ),
    Attempt(
        "rename-into-the-work-directory",
        """
        os.rename(plants['file'], 'mine')
        return open('mine').read()
        """,
    ),
    Attempt("climb", "return open('../' * 40 + plants['file']).read()"),
    Attempt(
        "climb-by-descriptors",
        """
        at = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(40):
            at = os.open('..', os.O_PATH | os.O_DIRECTORY, dir_fd=at)
        for name in plants['file'].strip('/').split('/'):
            at = os.open(name, os.O_PATH if name != 'file' else os.O_RDONLY, dir_fd=at)
        return os.read(at, 64)
        """,
        in_sample=True,
    ),
    Attempt(
        "change-directory",
        """
        os.chdir(plants['outside'])
        return open('file').read()
        """,
    ),
    Attempt("list", "return os.listdir(plants['outside'])"),
    Attempt("own-root-in-proc", "return open('/proc/self/root' + plants['file']).read()", in_sample=True),
    Attempt("first-root-in-proc", "return open('/proc/1/root' + plants['file']).read()"),
    Attempt("root-of-the-parent", "return open(f'/proc/{os.getppid()}/root' + plants['file']).read()"),
    Attempt(
        "root-of-the-runtime", "return open(f'/proc/{plants[\"runtime\"]}/root' + plants['file']).read()"
    ),
    Attempt("directory-of-a-bystander", "return open(f'/proc/{plants[\"bystander\"]}/cwd/file').read()"),
    Attempt(
        "descriptor-of-a-bystander",
        "return open('/proc/%d/fd/%d' % (plants['bystander'], plants['held'])).read()",
        in_sample=True,
    ),
    Attempt(
        "roots-of-all-processes",
        """
        for name in filter(str.isdigit, os.listdir('/proc')):
            for way in ('root', 'cwd'):
                try:
                    return open(f'/proc/{name}/{way}/' + '../' * 40 + plants['file']).read()
                except OSError:
                    continue
        """,
    ),
    Attempt("allowed-program", "return subprocess.run(['cat', plants['file']], capture_output=True).stdout"),
    Attempt(
        "file-handle",
        """
        handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 256)
        call(303, -100, plants['file'].encode(), handle, ctypes.byref(ctypes.c_int()), 0)
        at = os.open('/', os.O_RDONLY)
        return os.read(call(304, at, handle, os.O_RDONLY), 64)
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "change-root",
        """
        os.chroot(plants['outside'])
        return open('/file').read()
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "disk-as-a-device",
        """
        os.mknod('disk', 0o600 | stat.S_IFBLK, os.stat('/').st_dev)
        return os.open('disk', os.O_RDONLY)
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "disks-in-dev",
        """
        for name in os.listdir('/dev'):
            if stat.S_ISBLK(os.stat('/dev/' + name).st_mode):
                return os.open('/dev/' + name, os.O_RDONLY) and name
        """,
        users=(OWN_USER,),
    ),
    Attempt("accounts", "return open('/etc/shadow').read(1)", users=(OWN_USER,)),
    Attempt("kernel-memory", "return open('/proc/kcore', 'rb').read(1)", users=(OWN_USER,)),
    Attempt("kernel-log", "return os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)", users=(OWN_USER,)),
    Attempt("shared-memory-of-the-host", "return open(plants['shm']).read()"),
    Attempt(
        "inherited-descriptors",
        """
        for descriptor in range(3, 4096):
            try:
                return open(os.open('../' * 40 + plants['file'][1:], os.O_RDONLY, dir_fd=descriptor)).read()
            except OSError:
                continue
        return open('../' * 40 + plants['file']).read()
        """,
    ),
]

LANDLOCK_SEES_NAMES = "Landlock has no right for this, and it hides nothing"
FINDS = [
    Attempt(
        "stat",
        "return os.stat(plants['file'])",
        in_sample=True,
        holds_not_in={"landlock": LANDLOCK_SEES_NAMES},
    ),
    Attempt(
        "access",
        "return os.access(plants['file'], os.F_OK)",
        holds_not_in={"landlock": LANDLOCK_SEES_NAMES},
    ),
    Attempt(
        "read-link", "return os.readlink(plants['link'])", holds_not_in={"landlock": LANDLOCK_SEES_NAMES}
    ),
    Attempt(
        "space-around-it",
        "return os.statvfs(plants['file']).f_files",
        holds_not_in={"landlock": LANDLOCK_SEES_NAMES},
    ),
    Attempt("mounts-of-the-host", "return ' cgroup' in open('/proc/self/mounts').read()"),
    Attempt("mounts-of-the-host-by-a-thread", "return ' cgroup' in open('/proc/thread-self/mounts').read()"),
    Attempt(
        "extended-attributes",
        "return os.listxattr(plants['file']) or True",
    ),
    Attempt(
        "watch",
        """
        watcher = libc.inotify_init()
        if libc.inotify_add_watch(watcher, plants['outside'].encode(), 0xFFF) < 0:
            raise OSError(ctypes.get_errno(), 'inotify_add_watch')
        return True
        """,
    ),
    Attempt(
        "watch-all",
        """
        watcher = call(300, 0, os.O_RDONLY)
        return call(301, watcher, 1, 0x20, -100, plants['outside'].encode()) == 0
        """,
    ),
]

CHANGES = [
    Attempt("write", "return open(plants['victim'], 'w').write('changed')", in_sample=True),
    Attempt("append", "return open(plants['victim'], 'a').write('changed')"),
    Attempt("truncate", "return os.truncate(plants['victim'], 0) is None"),
    Attempt("remove", "return os.unlink(plants['victim']) is None"),
    Attempt("rename-away", "return os.rename(plants['victim'], plants['new']) is None"),
    Attempt(
        "rename-over",
        """
        open('mine', 'w').write('changed')
        return os.rename('mine', plants['victim']) is None
        """,
        in_sample=True,
    ),
    Attempt(
        "exchange",
        """
        open('mine', 'w').write('changed')
        return call(316, -100, b'mine', -100, plants['victim'].encode(), 2) == 0
        """,
    ),
    Attempt("make-a-file", "return open(plants['new'], 'x')"),
    Attempt("make-a-directory", "return os.mkdir(plants['new']) is None"),
    Attempt("make-a-link", "return os.symlink('/', plants['new']) is None"),
    Attempt("make-a-pipe", "return os.mkfifo(plants['new']) is None"),
    Attempt("remove-a-directory", "return os.rmdir(plants['outside'] + '/directory') is None"),
    Attempt(
        "link-own-file-there",
        """
        open('mine', 'w').write('changed')
        return os.link('mine', plants['new']) is None
        """,
    ),
    Attempt(
        "write-through-a-link",
        """
        os.symlink(plants['victim'], 'link')
        return open('link', 'w').write('changed')
        """,
    ),
    Attempt("write-through-proc", "return open('/proc/self/root' + plants['victim'], 'w').write('changed')"),
    Attempt("change-mode", "return os.chmod(plants['victim'], 0o777) is None", in_sample=True),
    Attempt(
        "change-mode-by-descriptor",
        """
        descriptor = os.open(plants['victim'], os.O_PATH)
        return os.chmod(f'/proc/self/fd/{descriptor}', 0o777) is None
        """,
    ),
    Attempt("change-owner", "return os.chown(plants['victim'], os.getuid(), os.getgid()) is None"),
    Attempt("change-times", "return os.utime(plants['victim'], (1, 1)) is None"),
    Attempt("change-attributes", "return os.setxattr(plants['victim'], 'user.hero', b'x') is None"),
    Attempt(
        "temporary-files-of-the-host",
        "return open(plants['tmp_mark'], 'w').write('x')",
        through=by_what_is_touched,
        in_sample=True,
    ),
    Attempt(
        "new-shared-memory-of-the-host",
        "return open(plants['shm_mark'], 'w').write('x')",
        through=by_what_is_touched,
    ),
    Attempt(
        "shared-memory-of-the-host-written",
        "return open(plants['shm'], 'w').write('x')",
        through=by_what_is_touched,
    ),
]

OF_THE_KERNEL = (
    [
        # Opened and not written: to have come so far is enough.
        Attempt(
            f"open-{path.rpartition('/')[2]}",
            f"return os.open({path!r}, os.O_WRONLY) > 0",
            users=(OWN_USER,),
            in_sample=path.endswith("core_pattern"),
        )
        for path in (
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sys/vm/drop_caches",
            "/proc/sysrq-trigger",
            "/proc/self/oom_score_adj",
            "/proc/1/oom_score_adj",
            "/sys/kernel/uevent_helper",
            "/sys/power/state",
        )
    ]
    + [
        # To what it is already: to be allowed to is enough.
        Attempt(
            f"mode-of-{path.rpartition('/')[2]}",
            f"return os.chmod({path!r}, stat.S_IMODE(os.stat({path!r}).st_mode)) is None",
            users=(OWN_USER,),
            in_sample=path == "/dev/null",
        )
        for path in ("/dev/null", "/dev/urandom", "/proc/cpuinfo", "/proc/version", "/sys/kernel")
    ]
    + [
        Attempt(
            "mode-of-standard-input",
            "return os.fchmod(0, stat.S_IMODE(os.fstat(0).st_mode)) is None",
            users=(OWN_USER,),
            in_sample=True,
        ),
        Attempt("times-of-standard-input", "return os.utime(0) is None", users=(OWN_USER,)),
    ]
)

OF_ITS_OWN = [
    # Opened to be appended to, and not written.
    Attempt(
        name,
        f"return os.open({path}, os.O_WRONLY | os.O_APPEND) > 0",
        users=users,
        in_sample=name == "sdk",
    )
    for name, path, users in (
        ("sdk", "sys.modules['hero_tracing'].__file__", (OWN_USER, ORDINARY_USER)),
        (
            "flow",
            "os.path.dirname(os.path.dirname(sys.modules['hero_tracing'].__file__)) + '/flow.py'",
            (OWN_USER,),
        ),
        ("standard-library", "os.__file__", (OWN_USER,)),
        ("system-program", "'/usr/bin/env'", (OWN_USER,)),
    )
] + [
    Attempt(
        "sdk-replaced",
        """
        path = sys.modules['hero_tracing'].__file__
        open('mine', 'w').write('')
        return os.rename('mine', path) is None
        """,
    ),
    Attempt("sdk-mode", "return os.chmod(sys.modules['hero_tracing'].__file__, 0o700) is None"),
    Attempt(
        "standard-library-mode",
        "return os.chmod(os.__file__, stat.S_IMODE(os.stat(os.__file__).st_mode)) is None",
        users=(OWN_USER,),
    ),
    Attempt(
        "standard-library-mode-by-descriptor",
        """
        descriptor = os.open(os.__file__, os.O_RDONLY)
        return os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode)) is None
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "standard-library-flags",
        """
        import fcntl
        file = os.open(os.__file__, os.O_RDONLY)
        flags = fcntl.ioctl(file, 0x80086601, bytes(8))
        return fcntl.ioctl(file, 0x40086602, flags) is not None
        """,
        users=(OWN_USER,),
        in_sample=True,
    ),
    Attempt(
        "standard-library-project",
        """
        import fcntl
        file = os.open(os.__file__, os.O_RDONLY)
        facts = fcntl.ioctl(file, 0x801C581F, bytes(28))
        return fcntl.ioctl(file, 0x401C5820, facts) is not None
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "standard-library-sealed",
        """
        import fcntl
        # fs-verity by senseless arguments: to come past the question whether it may be asked is enough.
        return reaches(16, os.open(os.__file__, os.O_RDONLY), 0x40806685, bytes(128))
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "standard-library-module",
        """
        path = os.path.dirname(os.__file__) + '/hero_escape_probe.py'
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        return os.unlink(path) is None
        """,
        users=(OWN_USER,),
    ),
    Attempt(
        "file-of-its-record",
        """
        stage = os.path.dirname(os.path.dirname(sys.modules['hero_tracing'].__file__))
        return os.open(os.path.dirname(stage) + '/exit', os.O_WRONLY | os.O_CREAT)
        """,
    ),
    Attempt(
        "lease-of-a-program",
        "return __import__('fcntl').fcntl(os.open('/usr/bin/env', os.O_RDONLY), 1024, 0)  is not None",
        users=(OWN_USER,),
    ),
]

OF_OTHERS = [
    Attempt(
        "flow-of-another-play", "return open(plants['other_play'] + '/stage/flow.py').read()", in_sample=True
    ),
    Attempt("file-of-another-play", "return open(plants['other_play'] + '/work/private').read()"),
    Attempt(
        "file-into-another-play",
        "return os.open(plants['other_play'] + '/work/mine', os.O_CREAT | os.O_WRONLY)",
    ),
    Attempt(
        "list-of-plays",
        "return os.path.basename(plants['other_play']) in os.listdir(os.path.dirname(plants['other_play']))",
    ),
]


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(READS))
def test_a_hidden_file_cannot_be_read(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Whatever way a flow takes to a file that it was not given, it is told nothing of what is in it."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(FINDS))
def test_a_hidden_file_cannot_be_found(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """That a file is there is not told, nor what happens to it; Landlock alone cannot hide all of that."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(CHANGES))
def test_a_hidden_file_cannot_be_changed(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Neither its content, nor its name, nor what is said of it; and nothing can be put beside it."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(OF_THE_KERNEL))
def test_no_file_of_the_kernel_can_be_changed(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Root owns the files in /proc, /dev and /sys, with or without capabilities; its plays do not."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(OF_ITS_OWN))
def test_what_a_play_runs_on_cannot_be_changed(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """The SDK, the flow as it was staged, the interpreter and the record of its end are for it to read."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(OF_OTHERS))
def test_the_directory_of_another_play_is_out_of_reach(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Plays of the same user have nothing to do with each other."""
    check(ground_of(user), isolation, attempt)
