"""What ordinary Python programs do, and in which isolations it is expected not to work, and why.

The table in docs/sandbox.md is made of this (tools/sandbox_table.py); tests hold its cells against plays.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NO_SOCKETS = "there is no socket but connected pairs"
NO_SHARED_MEMORY = "there is no /dev/shm of its own"
NO_METADATA = "modes, times and owners of files cannot be changed"
NO_TERMINALS = "there are no terminals"
NO_NETWORK = "there is no network but its own"


@dataclass(frozen=True)
class Feature:
    """One thing that programs do: lines that give something true where it works."""

    name: str
    body: str
    missing: dict[str, str] = field(default_factory=dict)
    """{isolation: why it does not work there}"""

    @property
    def key(self) -> str:
        """Its name as one word."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name).split())


def _in_landlock(reason: str) -> dict[str, str]:
    return {"landlock": reason}


_EVERYWHERE = ("native", "bubblewrap", "landlock")

FEATURES = (
    Feature(
        "threads (`threading`, `queue`)",
        """
import queue
done = queue.Queue()
threading.Thread(target=done.put, args=(7,)).start()
return done.get(timeout=5) == 7
""",
    ),
    Feature(
        "a pool of threads (`concurrent.futures`)",
        """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    return sum(pool.map(abs, range(-9, 0))) == 45
""",
    ),
    Feature(
        "a pool of processes (`concurrent.futures`)",
        """
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2) as pool:
    return sum(pool.map(abs, range(-9, 0))) == 45
""",
        _in_landlock(NO_SHARED_MEMORY),
    ),
    Feature(
        "`multiprocessing.Lock`",
        """
import multiprocessing
with multiprocessing.Lock():
    return True
""",
        _in_landlock(NO_SHARED_MEMORY),
    ),
    Feature(
        "`multiprocessing.Process` and `Pipe`",
        """
import multiprocessing
ours, theirs = multiprocessing.get_context('fork').Pipe()
child = multiprocessing.get_context('fork').Process(target=theirs.send, args=(7,))
child.start()
child.join()
return ours.recv() == 7
""",
    ),
    Feature(
        "`multiprocessing.Pool`, forked",
        """
import multiprocessing
with multiprocessing.get_context('fork').Pool(2) as pool:
    return sum(pool.map(abs, range(-9, 0))) == 45
""",
        _in_landlock(NO_SHARED_MEMORY),
    ),
    Feature(
        "`multiprocessing.Pool`, spawned",
        """
import multiprocessing
with multiprocessing.get_context('spawn').Pool(2) as pool:
    return sum(pool.map(abs, range(-9, 0))) == 45
""",
        _in_landlock(NO_SHARED_MEMORY),
    ),
    Feature(
        "`multiprocessing.Pool`, by a fork server",
        """
import multiprocessing
with multiprocessing.get_context('forkserver').Pool(2) as pool:
    return sum(pool.map(abs, range(-9, 0))) == 45
""",
        _in_landlock(NO_SOCKETS),
    ),
    Feature(
        "`multiprocessing.Queue`",
        """
import multiprocessing
queue = multiprocessing.Queue()
queue.put(7)
return queue.get(timeout=5) == 7
""",
        _in_landlock(NO_SHARED_MEMORY),
    ),
    Feature(
        "`multiprocessing.Manager`",
        """
import multiprocessing
with multiprocessing.Manager() as manager:
    values = manager.dict(a=1)
    return dict(values) == {'a': 1}
""",
        _in_landlock(NO_SOCKETS),
    ),
    Feature(
        "`multiprocessing.shared_memory`",
        """
from multiprocessing.shared_memory import SharedMemory
memory = SharedMemory(create=True, size=100)
memory.buf[0] = 7
memory.close()
memory.unlink()
return True
""",
        _in_landlock(NO_SHARED_MEMORY),
    ),
    Feature(
        "`asyncio`",
        """
import asyncio
return asyncio.run(asyncio.sleep(0.01, 7)) == 7
""",
    ),
    Feature(
        "a process in `asyncio`",
        """
import asyncio
async def work():
    child = await asyncio.create_subprocess_exec('/bin/echo', 'hello', stdout=asyncio.subprocess.PIPE)
    return (await child.communicate())[0] == b'hello\\n'
return asyncio.run(work())
""",
    ),
    Feature(
        "a server of its own (`asyncio`, TCP)",
        """
import asyncio
async def work():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        return await reader.read() == b''
    finally:
        writer.close()
        server.close()
return asyncio.run(work())
""",
        _in_landlock(NO_SOCKETS),
    ),
    Feature(
        "a Unix socket of its own",
        """
server, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
server.bind('own.sock')
server.listen()
client.connect('own.sock')
return True
""",
        _in_landlock(NO_SOCKETS),
    ),
    Feature(
        "`socket.socketpair`",
        """
one, other = socket.socketpair()
one.send(b'x')
return other.recv(1) == b'x'
""",
    ),
    Feature(
        "`socket.getaddrinfo('localhost')`",
        "return socket.getaddrinfo('localhost', 80)",
        _in_landlock("the host's list of names is not shown"),
    ),
    Feature(
        "connections to anywhere else",
        "return socket.create_connection(('192.0.2.1', 80), 2)",
        dict.fromkeys(_EVERYWHERE, NO_NETWORK),
    ),
    Feature(
        "programs of the system (`subprocess`)",
        """
return subprocess.run(['/bin/echo', 'hello'], capture_output=True).stdout == b'hello\\n'
""",
    ),
    Feature(
        "a shell",
        "return subprocess.run('echo a | tr a b', shell=True, capture_output=True).stdout == b'b\\n'",
    ),
    Feature(
        "another Python (`sys.executable`)",
        """
return subprocess.run([sys.executable, '-c', 'print(7)'], capture_output=True).stdout == b'7\\n'
""",
    ),
    Feature(
        "a program that it wrote itself",
        """
with open('program', 'w') as file:
    file.write('#!/bin/sh\\necho hello\\n')
os.chmod('program', 0o700)
return subprocess.run(['./program'], capture_output=True).stdout == b'hello\\n'
""",
        {
            "native": "nothing in the work directory can be executed",
            "landlock": "nothing in the work directory can be executed",
        },
    ),
    Feature(
        "`tempfile`",
        """
import tempfile
with tempfile.TemporaryDirectory() as directory, tempfile.NamedTemporaryFile() as file:
    file.write(b'x')
    return os.path.isdir(directory)
""",
    ),
    Feature(
        "`/tmp`",
        """
with open('/tmp/hero-own', 'w') as file:
    file.write('x')
os.unlink('/tmp/hero-own')
return True
""",
        _in_landlock("the host's is not shown; `tempfile` and `TMPDIR` have their own"),
    ),
    Feature(
        "copying content (`shutil.copyfile`)",
        """
import shutil
open('a', 'w').write('x')
shutil.copyfile('a', 'b')
return open('b').read() == 'x'
""",
    ),
    Feature(
        "copying modes and times (`shutil.copy`, `copy2`, `copytree`)",
        """
import shutil
os.mkdir('d')
open('d/a', 'w').write('x')
shutil.copy('d/a', 'b')
shutil.copy2('d/a', 'c')
shutil.copytree('d', 'e')
return open('e/a').read() == 'x'
""",
        _in_landlock(NO_METADATA),
    ),
    Feature(
        "archives (`zipfile`, `tarfile`)",
        """
import tarfile, zipfile
open('a', 'w').write('x')
with zipfile.ZipFile('a.zip', 'w') as file:
    file.write('a')
with tarfile.open('a.tar.gz', 'w:gz') as file:
    file.add('a')
zipfile.ZipFile('a.zip').extractall('z')
return open('z/a').read() == 'x'
""",
    ),
    Feature(
        "`sqlite3`, in a file",
        """
import sqlite3
with sqlite3.connect('data.db') as database:
    database.execute('PRAGMA journal_mode=WAL')
    database.execute('CREATE TABLE t (a)')
    database.execute('INSERT INTO t VALUES (7)')
    return database.execute('SELECT a FROM t').fetchall() == [(7,)]
""",
    ),
    Feature(
        "mapped files (`mmap`)",
        """
with open('pages', 'w+b') as file:
    file.write(bytes(8192))
    file.flush()
    with mmap.mmap(file.fileno(), 0) as pages:
        pages[0] = 7
    return True
""",
    ),
    Feature(
        "locks on files (`fcntl.flock`, `lockf`)",
        """
import fcntl
with open('lock', 'w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.lockf(file, fcntl.LOCK_EX)
    return True
""",
    ),
    Feature(
        "time zones (`zoneinfo`)",
        """
import datetime, zoneinfo
there = datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))
return there.utcoffset() == datetime.timedelta(hours=2) and time.localtime() is not None
""",
    ),
    Feature(
        "TLS (`ssl.create_default_context`)",
        """
import ssl
return ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED
""",
    ),
    Feature(
        "randomness (`secrets`, `uuid`)",
        """
import secrets, uuid
return len(secrets.token_bytes(8)) == 8 and len({uuid.uuid1(), uuid.uuid4()}) == 2
""",
    ),
    Feature(
        "who and where (`getpass.getuser`, `Path.home`)",
        """
import getpass, pathlib
return getpass.getuser() and pathlib.Path.home().is_dir()
""",
        _in_landlock("the host's list of accounts is not shown"),
    ),
    Feature(
        "the machine (`os.cpu_count`, `platform`)",
        """
import platform
return os.cpu_count() >= 1 and platform.platform() and platform.node() is not None
""",
    ),
    Feature(
        "the standard library's clients (`urllib`, `http`, `email`)",
        """
import email.message, http.client, urllib.request
return urllib.request.Request('http://localhost/').host == 'localhost'
""",
    ),
    Feature(
        "`logging` into a file",
        """
import logging
logging.basicConfig(filename='own.log')
logging.warning('hello')
return 'hello' in open('own.log').read()
""",
    ),
    Feature("C libraries (`ctypes`)", "return ctypes.CDLL(None).abs(-7) == 7"),
    Feature(
        "callbacks from C (`ctypes`)",
        """
numbers = (ctypes.c_int * 3)(3, 1, 2)
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
libc.qsort(numbers, 3, 4, kind(lambda one, other: one[0] - other[0]))
return list(numbers) == [1, 2, 3]
""",
    ),
    Feature(
        "signals and timers of its own",
        """
heard = []
signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01)
while not heard:
    pause(0.01)
child = os.fork()
if not child:
    signal.pause()
os.kill(child, signal.SIGKILL)
return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
""",
    ),
    Feature(
        "what is known of itself in `/proc/self`",
        """
return 'VmRSS' in open('/proc/self/status').read() and os.listdir('/proc/self/fd')
""",
    ),
    Feature("terminals of its own (`pty`)", "return os.openpty()", dict.fromkeys(_EVERYWHERE, NO_TERMINALS)),
    Feature(
        "files in memory (`os.memfd_create`)",
        "return os.memfd_create('x') > 0",
        dict.fromkeys(_EVERYWHERE, "nobody could count their memory"),
    ),
    Feature(
        "a debugger of its own children (`ptrace`)",
        """
child = in_child(signal.pause, linger=True)
try:
    return call(101, 0x4206, child, 0, 0) == 0
finally:
    os.kill(child, signal.SIGKILL)
""",
        dict.fromkeys(_EVERYWHERE, "no process can be traced"),
    ),
    Feature(
        "numpy, from a virtual environment",
        """
import numpy
return float(numpy.arange(10).sum()) == 45.0 and float(numpy.linalg.det(numpy.eye(50))) == 1.0
""",
    ),
)
