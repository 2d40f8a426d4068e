"""Events that are lost where a flow is killed: none, over many kills at random moments.

    python benchmarks/kill.py [--quick] [--json FILE]

A flow emits as fast as it can and, after each call of the SDK that returned, counts it in a mapped file.
It is killed by SIGKILL at a random moment, through the real runtime: ``hero-logic run``. Lost is what was
counted and is not on record.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

from measure import Claim, arguments, finish

KILLS = 200
_SEED = 20
_LATEST_S = 0.15
_COUNTS = struct.Struct("<QQ")
"""The flow's process id, and how many calls have returned."""

FLOW = """\
import mmap, os
from hero_tracing import flow

@flow
def main(counts: str):
    with open(counts, "r+b") as file:
        view = mmap.mmap(file.fileno(), 16)
    # By slices: each is one copy of 8 bytes. struct.pack_into clears the bytes first, and a process id that
    # is read as 0 is everybody's.
    view[:8] = os.getpid().to_bytes(8, "little")
    done = 1
    while True:
        span = flow.step("step", number=done)
        with span:
            done += 1
            view[8:] = done.to_bytes(8, "little")
            span.log("said")
            done += 1
            view[8:] = done.to_bytes(8, "little")
        done += 1
        view[8:] = done.to_bytes(8, "little")
"""


def lost_events(directory: str, number: int, delay_s: float) -> tuple[int, int]:
    """Kill a flow so much after its first event: how many events are lost, and how many it had emitted."""
    counts = os.path.join(directory, f"counts-{number}")
    with open(counts, "wb") as file:
        file.write(bytes(_COUNTS.size))
    environment = {**os.environ, "HERO_LOGIC_HOME": os.path.join(directory, "home")}
    command = [os.path.join(os.path.dirname(sys.executable), "hero-logic")]
    flow = os.path.join(directory, "endless.py")
    run = [*command, "run", flow, "--json", "-i", f"counts={counts}"]
    with (
        open(counts, "r+b") as file,
        subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
    ):
        view = mmap.mmap(file.fileno(), _COUNTS.size)
        while not (pid := _COUNTS.unpack_from(view)[0]):
            assert process.poll() is None, "the run ended before it began"
            time.sleep(0.001)
        time.sleep(delay_s)
        os.kill(pid, signal.SIGKILL)
        output, _ = process.communicate()
        emitted = _COUNTS.unpack_from(view)[1]
        view.close()
    play = json.loads(output)
    assert play["status"] == "failed", play["status"]
    kept: int = play["counters"]["events"]
    return max(0, emitted - kept), emitted


def main() -> int:
    """Measure; 1 if an event was lost."""
    options = arguments(__doc__ or "")
    kills = 5 if options.quick else KILLS
    dice = random.Random(_SEED)
    lost: list[float] = []
    emitted: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "endless.py"), "w", encoding="utf-8") as file:
            file.write(FLOW)
        for number in range(kills):
            of_one, all_of_one = lost_events(directory, number, dice.uniform(0, _LATEST_S))
            lost.append(of_one)
            emitted.append(all_of_one)
    claim = Claim(
        f"events lost over {kills} kills of the flow", values=[sum(lost)], floor=[sum(emitted)],
        floor_name="of those emitted", unit="events", goal=None, limit=0.0,
    )  # fmt: skip
    return finish("Kills: what a SIGKILL of the flow costs", [claim], options)


if __name__ == "__main__":
    sys.exit(main())
