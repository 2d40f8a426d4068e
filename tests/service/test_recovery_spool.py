"""What a play emits while its runtime is gone is taken in by the next command."""

from __future__ import annotations

import time
from pathlib import Path

from support.processes import wait_until_gone
from support.runtime import client_at, read_document, start_runtime, write_flow
from support.waiting import wait_until

SPOOLING = """
import signal
@flow
def main(up_path: str):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    number = 0
    while True:
        number += 1
        with flow.step("step", number=number) as step:
            step.log(f"log {number}")
        if number == 100:
            open(up_path, "w").close()
"""


def test_what_a_flow_emits_after_its_runtime_was_killed_is_on_record(tmp_path: Path) -> None:
    """In the moment that it has until its supervisor ends it: every step, whole, up to the last."""
    path = write_flow(tmp_path, SPOOLING)
    up_path = tmp_path / "up"
    marker = f"spooling-{tmp_path.name}"
    runtime = start_runtime(tmp_path / "home", path, f"up_path={up_path}", marker=marker)
    sid = str(runtime.stdout.readline()).strip() if runtime.stdout else ""
    wait_until(up_path.exists, "the flow")
    runtime.kill()
    runtime.wait()
    gone_ms = time.time() * 1000
    runtime.communicate()
    wait_until_gone(marker, timeout_s=5)
    document = read_document(client_at(tmp_path / "home"), sid)
    late = [span for span in document["spans"] if span["start_ms"] > gone_ms]
    numbers = [span["tags"]["number"] for span in late]

    assert late
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(span["status"] == "ok" for span in late[:-1])
