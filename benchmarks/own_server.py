"""A server of ours as a user starts one, for as long as a benchmark asks it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from live import SOURCE


@contextmanager
def own_server(home: str, *options: str) -> Iterator[str]:
    """A process of ``hero-logic serve`` over a data directory, at a free port; its address."""
    environment = {
        **os.environ,
        "PYTHONPATH": SOURCE,
        "HERO_LOGIC_HOME": home,
        "HERO_LOGIC_RUNTIME_DIR": home,
        "HERO_LOGIC_SANDBOX": "best",
    }
    command = [sys.executable, "-m", "hero_logic", "serve", "--port", "0", *options]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout
    try:
        yield process.stdout.readline().removeprefix("serving on ").strip()
    finally:
        process.terminate()
        process.communicate()
