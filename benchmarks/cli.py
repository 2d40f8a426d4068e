"""What the command line costs, whole processes: ``--help``, and a run of a flow with three steps.

The floor is ``python3 -c pass`` by the same interpreter, taken in turns with the rest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from measure import Claim, arguments, finish, in_turns

FLOW = """\
from hero_tracing import flow

@flow
def main():
    for number in range(3):
        with flow.step("step", number=number):
            pass
"""
ROUNDS = 25
HELP_GOAL = 5.0
RUN_GOAL = 9.0


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    hero_logic = os.path.join(os.path.dirname(sys.executable), "hero-logic")
    with tempfile.TemporaryDirectory() as directory:
        flow = os.path.join(directory, "three.py")
        with open(flow, "w", encoding="utf-8") as file:
            file.write(FLOW)
        environment = {**os.environ, "HERO_LOGIC_HOME": os.path.join(directory, "home")}

        def timed(*command: str) -> Callable[[], float]:
            def once() -> float:
                began_s = time.perf_counter()
                subprocess.run(
                    command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                return (time.perf_counter() - began_s) * 1000

            return once

        measured = in_turns(
            {
                "floor": timed(sys.executable, "-c", "pass"),
                "help": timed(hero_logic, "--help"),
                "run": timed(hero_logic, "run", flow),
                "ls": timed(hero_logic, "ls"),
                "show": timed(hero_logic, "show", "last"),
            },
            rounds=3 if options.quick else ROUNDS,
        )
    floor = measured["floor"]

    def claim(name: str, key: str, goal: float | None) -> Claim:
        values = measured[key]
        return Claim(name, values=values, floor=floor, floor_name="python3 -c pass", unit="ms", goal=goal)

    claims = [
        claim("hero-logic --help", "help", HELP_GOAL),
        claim("hero-logic run, a flow of three steps", "run", RUN_GOAL),
        claim("hero-logic show last", "show", None),
        claim("hero-logic ls", "ls", None),
    ]
    return finish("The command line", claims, options)


if __name__ == "__main__":
    sys.exit(main())
