"""Attempts at the disk: to have more on it than a play may, wherever the watcher looks, and where it may not.

What gets through is small, and ends with the play.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import Attempt, Ground, cases, check, of_the_tree

GroundOf = Callable[[str], Ground]

MIB = 1 << 20
TREE_DISK = {"tree_disk_bytes": 8 * MIB}
TREE_FILES = {"tree_files": 500}

ONLY_BY_DESCRIPTORS = "files that have no name are found by their descriptors alone"
DISK = [
    Attempt(
        "files",
        """
        for number in range(10):
            open(f'file{number}', 'wb').write(bytes(2 << 20))
        pause(1)
        return True
        """,
        limits=TREE_DISK,
        in_sample=True,
    ),
    Attempt(
        "without-a-name",
        """
        files = [open(f'file{number}', 'wb') for number in range(10)]
        for number, file in enumerate(files):
            os.unlink(f'file{number}')
            file.write(bytes(2 << 20))
        pause(1)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "never-named",
        """
        files = [os.open('.', os.O_TMPFILE | os.O_WRONLY) for number in range(10)]
        for file in files:
            os.write(file, bytes(2 << 20))
        pause(1)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "without-a-name-by-a-first-thread-that-has-ended",
        """
        def hide():
            def take():
                files = [os.open('.', os.O_TMPFILE | os.O_WRONLY) for number in range(10)]
                for file in files:
                    os.write(file, bytes(2 << 20))
                open('up', 'w').close()
                pause(30)
            threading.Thread(target=take).start()
            call(60, 0)
        in_child(hide, linger=True)
        while not os.path.exists('up'):
            pause(0.05)
        pause(1)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "without-a-name-by-a-thread-with-descriptors-of-its-own",
        """
        # CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, and not CLONE_FILES: what runs
        # there is machine code, which opens files without a name and writes to them.
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        stack = mmap.mmap(-1, 65536)
        data = mmap.mmap(-1, 2 << 20)
        at = {name: ctypes.addressof(ctypes.c_char.from_buffer(area))
              for name, area in (('code', code), ('stack', stack), ('data', data))}
        data.write(b'.' + bytes((2 << 20) - 1))
        address = {name: struct.pack('Q', at[name]).hex() for name in at}
        top, size = struct.pack('Q', at['stack'] + 65472).hex(), struct.pack('I', 2 << 20).hex()
        flags = struct.pack('I', os.O_TMPFILE | os.O_WRONLY).hex()
        one = (f'b80200000048bf{address["data"]}be{flags}ba800100000f05'     # open(".", flags, 0600)
               f'89c7b80100000048be{address["data"]}ba{size}0f05')           # write(it, data, 2 MiB)
        begin = (f'b838000000bf000b050048be{top}31d24d31d24d31c00f05'        # clone(0x50b00, top)
                 '4885c07401c3')                                             # the caller returns
        code.write(bytes.fromhex(begin + one * 10 + 'b8220000000f05ebf7'))    # the thread pauses for ever
        answer = ctypes.CFUNCTYPE(ctypes.c_long)(at['code'])()
        if answer < 0:
            raise OSError(-answer, os.strerror(-answer))
        pause(1)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "without-a-name-by-a-thread-that-closes-for-itself",
        """
        told = []
        def hide():
            try:
                call(436, 1 << 20, (1 << 32) - 1, 2)
                files = [os.open('.', os.O_TMPFILE | os.O_WRONLY) for number in range(10)]
                for file in files:
                    os.write(file, bytes(2 << 20))
            except OSError as error:
                told.append(error)
            open('up', 'w').close()
            pause(2)
        thread = threading.Thread(target=hide)
        thread.start()
        while not os.path.exists('up'):
            pause(0.05)
        if told:
            raise told[0]
        thread.join()
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "without-a-name-and-only-mapped",
        """
        areas = []
        for number in range(10):
            file = os.open('.', os.O_TMPFILE | os.O_RDWR)
            os.ftruncate(file, 2 << 20)
            areas.append(mmap.mmap(file, 2 << 20))
            os.close(file)
        descriptors = [name for name in os.listdir('/proc/self/fd') if int(name) > 5]
        for name in descriptors:
            try:
                os.close(int(name))
            except OSError:
                continue
        # Only now, so that nobody sees a descriptor of a file that takes room.
        for area in areas:
            area.write(bytes(2 << 20))
        pause(1)
        return True
        """,
        limits=TREE_DISK,
        holds_not_in=dict.fromkeys(("native", "bubblewrap", "landlock"), ONLY_BY_DESCRIPTORS),
    ),
    Attempt(
        "in-its-result",
        """
        for number in range(10):
            os.pwrite(4, bytes(2 << 20), number * (2 << 20))
        pause(1)
        os.ftruncate(4, 0)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "deep-down",
        """
        for _ in range(30):
            os.mkdir('d' * 200)
            os.chdir('d' * 200)
        for number in range(10):
            open(f'file{number}', 'wb').write(bytes(2 << 20))
        pause(1)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "where-nobody-may-look",
        """
        os.mkdir('closed', 0o300)
        for number in range(10):
            open(f'closed/file{number}', 'wb').write(bytes(2 << 20))
        pause(1)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "allocated",
        """
        os.posix_fallocate(os.open('file', os.O_CREAT | os.O_WRONLY), 0, 20 << 20)
        pause(1)
        return True
        """,
        limits=TREE_DISK,
    ),
    Attempt(
        "many-files",
        """
        for number in range(2000):
            os.close(os.open(f'file{number}', os.O_CREAT))
        pause(1)
        return True
        """,
        limits=TREE_FILES,
        in_sample=True,
    ),
    Attempt(
        "many-directories",
        """
        for number in range(2000):
            os.mkdir(f'directory{number}')
        pause(1)
        return True
        """,
        limits=TREE_FILES,
    ),
    Attempt(
        "many-names",
        """
        open('file', 'w').close()
        for number in range(2000):
            os.link('file', f'file{number}')
        pause(1)
        return True
        """,
        limits=TREE_FILES,
    ),
]


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(of_the_tree(DISK)))
def test_a_play_cannot_fill_the_disk(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Neither by what its files hold nor by how many there are, wherever it hides them."""
    check(ground_of(user), isolation, attempt)
