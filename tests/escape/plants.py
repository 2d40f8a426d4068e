"""What a flow must not get at, and what tells afterwards whether it did: a file, sockets, processes, queues.

All of it belongs to the user who runs the plays, so that whatever is not reached is not reached because of
the sandbox. It is made once for a session, put in order before each play, and gone at the end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

SECRET = "planted-5c1f"
SECRET_VARIABLE = "SHOP_SECRET"
_UNTOUCHED = "untouched"
_PLANTED = ["directory", "file", "link", "victim"]

_BYSTANDER = """
import ctypes, os, signal, sys
secret = ctypes.create_string_buffer(os.environ["SHOP_SECRET"].encode())
held = os.open(sys.argv[1], os.O_RDONLY)
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"signalled\\n"))
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1 & 2**64 - 1), 0, 0, 0)
os.write(1, f"{ctypes.addressof(secret)} {held}\\n".encode())
while os.read(0, 1):
    pass
"""
"""Waits until its standard input is closed. PR_SET_PTRACER: Yama alone shall not keep anybody from it."""

_IPC_CREATE, _IPC_REMOVE = 0o1600, 0
_KEYCTL_UNLINK = 9
_USER_SESSION_KEYRING = -4
_SYS_ADD_KEY, _SYS_KEYCTL = 248, 250
_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmat.restype = ctypes.c_void_p


class Plants:
    """Everything that is planted; a context manager.

    Args:
        directory: of the user's own.
        name: no other plants have it.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.outside = directory / "outside"
        self._tmp_mark = Path("/tmp") / f"hero-{name}-mark"
        self._shm_mark = Path("/dev/shm") / f"hero-{name}-mark"
        self._shm = Path("/dev/shm") / f"hero-{name}"
        self._sockets: dict[str, socket.socket] = {}
        self._paths: list[Path] = []

    def __enter__(self) -> Plants:
        self.outside.mkdir(mode=0o755, parents=True)
        self.restore()
        for kind, number in (("stream", socket.SOCK_STREAM), ("datagram", socket.SOCK_DGRAM)):
            # Short enough for a socket, wherever the data lies.
            path = Path("/tmp") / f"hero-{self.name}-{kind}.sock"
            self._paths.append(path)
            self._listen(f"unix_{kind}", socket.AF_UNIX, number, str(path))
            self._listen(f"abstract_{kind}", socket.AF_UNIX, number, f"\0hero-{self.name}-{kind}")
            self._listen("tcp" if kind == "stream" else "udp", socket.AF_INET, number, ("127.0.0.1", 0))
        self._bystander = subprocess.Popen(
            [sys.executable, "-I", "-c", _BYSTANDER, str(self.outside / "file"), SECRET],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={SECRET_VARIABLE: SECRET},
            cwd=self.outside,
            start_new_session=True,
            bufsize=0,
        )
        assert self._bystander.stdout is not None
        self._address, self._held = map(int, self._bystander.stdout.readline().split())
        os.set_blocking(self._bystander.stdout.fileno(), False)
        self._segment = _libc.shmget(0, 4096, _IPC_CREATE)
        ctypes.memmove(_libc.shmat(self._segment, None, 0), SECRET.encode(), len(SECRET))
        self._key = _libc.syscall(
            _SYS_ADD_KEY,
            b"user",
            self.name.encode(),
            SECRET.encode(),
            ctypes.c_long(len(SECRET)),
            ctypes.c_long(_USER_SESSION_KEYRING),
        )
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._sockets.values():
            server.close()
        self._bystander.send_signal(signal.SIGKILL)
        self._bystander.communicate()
        _libc.shmctl(self._segment, _IPC_REMOVE, None)
        if self._key > 0:
            _libc.syscall(_SYS_KEYCTL, _KEYCTL_UNLINK, self._key, _USER_SESSION_KEYRING)
        for path in (*self._paths, self._tmp_mark, self._shm_mark, self._shm):
            path.unlink(missing_ok=True)

    def _listen(self, name: str, family: int, kind: int, address: str | tuple[str, int]) -> None:
        server = socket.socket(family, kind)
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen(64)
        server.setblocking(False)
        self._sockets[name] = server

    def restore(self) -> None:
        """Put everything back to where an attempt may have found it changed."""
        for name in set(os.listdir(self.outside)) - set(_PLANTED):
            # In its place, as the bystander has it open.
            path = self.outside / name
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        (self.outside / "file").write_text(SECRET)
        (self.outside / "file").chmod(0o600)
        (self.outside / "victim").write_text(_UNTOUCHED)
        (self.outside / "victim").chmod(0o600)
        (self.outside / "directory").mkdir(exist_ok=True)
        if not (self.outside / "link").is_symlink():
            (self.outside / "link").symlink_to(SECRET)
        self._shm.write_text(SECRET)
        for mark in (self._tmp_mark, self._shm_mark):
            mark.unlink(missing_ok=True)
        os.utime(self.outside / "victim", (1_000_000, 1_000_000))

    def told(self) -> dict[str, object]:
        """Where everything is, for a flow."""
        return {
            "secret": SECRET,
            "variable": SECRET_VARIABLE,
            "outside": str(self.outside),
            "file": str(self.outside / "file"),
            "victim": str(self.outside / "victim"),
            "link": str(self.outside / "link"),
            "new": str(self.outside / "new"),
            "tmp_mark": str(self._tmp_mark),
            "shm_mark": str(self._shm_mark),
            "shm": str(self._shm),
            "runtime": os.getpid(),
            "bystander": self._bystander.pid,
            "address": self._address,
            "held": self._held,
            "segment": self._segment,
            "key": self._key,
            "unix_stream": str(self._paths[0]),
            "unix_datagram": str(self._paths[1]),
            "abstract_stream": f"hero-{self.name}-stream",
            "abstract_datagram": f"hero-{self.name}-datagram",
            "tcp": self._sockets["tcp"].getsockname()[1],
            "udp": self._sockets["udp"].getsockname()[1],
        }

    def touched(self) -> list[str]:
        """What an attempt has changed, or reached without being able to know it; all told once."""
        found = []
        names = sorted(os.listdir(self.outside)) if self.outside.exists() else []
        if names != _PLANTED:
            found.append(f"the directory holds {names}")
        elif (self.outside / "victim").read_text() != _UNTOUCHED:
            found.append("the file was written")
        marks = (self._tmp_mark, self._shm_mark)
        found += [f"{mark.parent} was written" for mark in marks if mark.exists()]
        if self._shm.read_text() != SECRET:
            found.append("shared memory was written")
        assert self._bystander.stdout is not None
        if self._bystander.stdout.read(64):
            found.append("the bystander was signalled")
        if self._bystander.poll() is not None:
            found.append("the bystander was ended")
        return found + [f"{name} heard it" for name, server in self._sockets.items() if _has_heard(server)]


def _has_heard(server: socket.socket) -> bool:
    """Whether anything came; all of it is taken."""
    heard = False
    while True:
        try:
            if server.type == socket.SOCK_STREAM:
                server.accept()[0].close()
            else:
                server.recv(64)
        except BlockingIOError:
            return heard
        heard = True
