"""A wall clock that a test can set, for the processes that are started with it; the machine's own stays."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static volatile long *offset_s;
    if (!real) {
        int file = open(getenv("TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
        if (file >= 0) offset_s = mmap(0, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
    }
    int result = real(id, now);
    if (id == CLOCK_REALTIME && offset_s) now->tv_sec += *offset_s;
    return result;
}
"""
HOUR_S = 3600


class Clock:
    """The wall clock of what is started with ``variables``; clocks that never go back stay as they are."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler to make a clock with that can be set back")
        source = directory / "clock.c"
        source.write_text(CLOCK)
        library = directory / "clock.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"],
            check=True,
            capture_output=True,
        )
        self.path = directory / "offset_s"
        self.set(0)
        self.variables = {"LD_PRELOAD": str(library), "TEST_CLOCK": str(self.path)}

    def set(self, offset_s: int) -> None:
        with open(self.path, "ab") as file:
            file.truncate(8)
        with open(self.path, "r+b", buffering=0) as file:
            file.write(struct.pack("<q", offset_s))
