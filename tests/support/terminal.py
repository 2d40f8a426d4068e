"""The command on a terminal, with streams that are closed, full, or read by nobody, with little memory."""

from __future__ import annotations

import os
import subprocess
from typing import IO

from support.command import COMMAND, environment

Result = subprocess.CompletedProcess[bytes]


def on_terminal(*arguments: str, **more: str) -> tuple[int, bytes]:
    """Run a command whose standard output is a terminal; its exit status and all that it drew."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment(**{"TERM": "xterm-256color", **more}),
    ) as process:
        os.close(theirs)
        drawn = bytearray()
        while data := _read(ours):
            drawn += data
        process.communicate(timeout=30)
    os.close(ours)
    return process.returncode, bytes(drawn)


def into(stdout: int | IO[bytes], *arguments: str, **more: str) -> Result:
    """Run a command with this as its standard output."""
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(**more),
        timeout=60,
        check=False,
    )


def into_nobody(*arguments: str, **more: str) -> Result:
    """Run a command whose standard output is a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return into(writer, *arguments, **more)
    finally:
        os.close(writer)


def into_full_disk(*arguments: str, **more: str) -> Result:
    """Run a command whose standard output has no room."""
    with open("/dev/full", "wb") as full:
        return into(full, *arguments, **more)


def with_closed(redirections: str, *arguments: str, **more: str) -> Result:
    """Run a command with standard streams closed as the shell does it: ``<&- >&- 2>&-``."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(**more),
        timeout=60,
        check=False,
    )


def with_memory(kib: int, *arguments: str) -> Result:
    """Run a command that may have so much address space, so that a test which fails takes no more."""
    return subprocess.run(
        ["/bin/sh", "-c", f'ulimit -v {kib}; exec "$@"', "sh", *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # How Linux says that nobody has the terminal open any more.
        return b""
