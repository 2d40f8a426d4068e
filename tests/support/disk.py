"""A small disk that a test can fill."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


class Disk:
    """A file system of its own, of 4 MB, on which the data directory lies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = path / "home"
        path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
        try:
            result = subprocess.run(mount, capture_output=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command to make a small disk with")
        if result.returncode != 0:
            pytest.skip(f"a small disk cannot be mounted here: {result.stderr.decode().strip()}")

    def fill(self) -> None:
        """Leave not a byte of room."""
        with open(self.path / "filler", "ab", buffering=0) as filler:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass

    def free(self) -> None:
        (self.path / "filler").unlink()

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)
