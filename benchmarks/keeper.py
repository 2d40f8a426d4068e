"""Runs a peer's server so that nothing of it stays, whatever happens to who asked for it.

    python benchmarks/keeper.py DIRECTORY COMMAND ...

The server runs in DIRECTORY, in a process group of its own, its output in server.log there. When the keeper's
standard input ends (the benchmark closes it, or is killed), the group is ended, and DIRECTORY removed.
"""

import os
import shutil
import signal
import subprocess
import sys

GRACE_S = 10.0


def end_group(server: "subprocess.Popen[bytes]") -> None:
    """Ask the group to end, wait for its leader, and kill what is left."""
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            pass
        try:
            server.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue


def main(directory: str, command: list[str]) -> int:
    """Keep it until standard input ends."""
    with open(os.path.join(directory, "server.log"), "wb") as log:
        server = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            sys.stdin.read()
        finally:
            end_group(server)
            shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
