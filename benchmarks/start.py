"""What it takes to start a play: from the call to the first line of the flow, beside Python's own start.

    python benchmarks/start.py [--quick] [--json FILE]

Each way to start is measured in turns with the floor, ``python3 -c pass``: cold, where an interpreter is
started for the play, and warm, where the play is forked from one that was there before; in each isolation
that this host proves, and in none. As in a server, the spawner is there and has supervisors ready, and a play
comes when the last one is cleared away: each start, the floor's too, follows a pause. "Alone" is the first
play of a spawner, with nothing ready. Then plays a second without a pause, as many at a time as there are
cores: there nothing is gained by what is done ahead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from measure import Claim, NotMeasured, arguments, finish

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src"))

from hero_logic.core.lines import Chunk
from hero_logic.core.policy import PlayLimits, play_environment
from hero_logic.runner.play import PlayPlan, StagedPlay
from hero_logic.runner.proof import Prover
from hero_logic.runner.span_loop import SpanLoop
from hero_logic.runner.spawner import SPARES, Spawner

ROUNDS = 40
PLAYS = 60
RATES = 3
PAUSE_S = 0.1
FLOW = b"""\
import time; began_s = time.monotonic()
from hero_tracing import flow

@flow
def main():
    return began_s
"""
COLD_GOALS = {"native": 1.6, "bubblewrap": 2.0}
WARM_GOAL = 0.5


class Nowhere:
    """A sink for spans that nobody asks for."""

    def __init__(self) -> None:
        self.on_room = lambda: None

    def write(self, chunk: Chunk) -> bool:
        """Take it."""
        return True

    def disconnected(self, source: str) -> None:
        """Take note of nothing."""


class Starter:
    """Starts plays in one way."""

    def __init__(self, directory: str, isolation: str, *, is_warm: bool, spares: int = SPARES) -> None:
        self.isolation = isolation
        self.is_warm = is_warm
        self.is_alone = spares == 0
        self._directory = directory
        self._spawner = Spawner.start(is_warm=is_warm, spares=spares)
        self._loop = SpanLoop()

    def start_ms(self) -> float:
        """Run one play; milliseconds from the call to the first line of its flow."""
        sid = os.urandom(8).hex()
        resources = "rlimits" if self.isolation == "none" else "watcher"
        plan = PlayPlan(
            sid=sid,
            source=FLOW,
            flow_path=os.path.join(self._directory, "flow.py"),
            function="main",
            input_json=None,
            python=sys.executable,
            environment=lambda work_dir, channel: play_environment(
                {}, sid=sid, work_dir=work_dir, span_channel=channel
            ),
            limits=PlayLimits(),
            isolation=self.isolation,
            resources=resources,
        )
        staged = StagedPlay(
            plan,
            self._spawner,
            plays_dir=os.path.join(self._directory, "plays"),
            cache_dir=os.path.join(self._directory, "cache"),
        )
        called_s = time.monotonic()
        with staged:
            staged.begin(Nowhere(), self._loop)
            staged.step()
            staged.drain()
            leavings = staged.leavings()
            staged.is_end_recorded = True
        began_s = leavings.result.output
        assert isinstance(began_s, float), leavings
        return (began_s - called_s) * 1000

    @property
    def how(self) -> str:
        """As it is called."""
        return ("warm" if self.is_warm else "cold") + (", alone" if self.is_alone else "")

    def close(self) -> None:
        """End what was started."""
        self._loop.close()
        self._spawner.close()


def bare_ms() -> float:
    """The floor: Python starts and ends."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.monotonic() - began_s) * 1000


def a_second(act: Callable[[], float], times: int) -> float:
    """How often something is done in a second, by as many at a time as there are cores."""
    began_s = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda _: act(), range(times)))
    return times / (time.monotonic() - began_s)


def rates(starters: list[Starter], plays: int) -> list[Claim]:
    """Whole plays a second, from the call until all of a play is cleared away, without a pause."""
    found: dict[Starter, list[float]] = {starter: [] for starter in starters if not starter.is_alone}
    floor = []
    for _ in range(RATES):
        floor.append(a_second(bare_ms, plays))
        for starter, values in found.items():
            values.append(a_second(starter.start_ms, plays))
    return [
        Claim(
            f"plays a second, {starter.how}, isolation {starter.isolation}",
            values=values,
            floor=floor,
            floor_name="python3 -c pass a second",
            unit="plays/s",
            goal=None,
            better="more",
        )
        for starter, values in found.items()
    ]


def proven(directory: str) -> dict[str, str]:
    """What this host proves: {isolation: "" or why not}."""
    spawner = Spawner.start()
    prove = Prover(
        spawner,
        python=sys.executable,
        cache_dir=os.path.join(directory, "cache"),
        new_name=lambda: os.urandom(4).hex(),
    )
    found = {name: prove(name).problem for name in ("native", "bubblewrap", "landlock")}
    spawner.close()
    return found


def default_run(directory: str, rounds: int) -> Claim:
    """What the default sandbox adds to a whole ``hero-logic run``."""
    path = os.path.join(directory, "flow.py")
    with open(path, "wb") as file:
        file.write(FLOW)
    environment = {**os.environ, "HERO_LOGIC_HOME": os.path.join(directory, "home")}
    command = [os.path.join(os.path.dirname(sys.executable), "hero-logic"), "run", path, "--quiet"]

    def run_ms(sandbox: str) -> float:
        began_s = time.monotonic()
        subprocess.run(
            [*command, "--sandbox", sandbox], env=environment, check=True, stdout=subprocess.DEVNULL
        )
        return (time.monotonic() - began_s) * 1000

    run_ms("auto"), run_ms("tier0")
    pairs = [(run_ms("auto"), run_ms("tier0"), bare_ms()) for _ in range(rounds)]
    return Claim(
        "hero-logic run, by default, more than in tier0",
        values=[by_default - tier0 for by_default, tier0, _ in pairs],
        floor=[bare for _, _, bare in pairs],
        floor_name="python3 -c pass",
        unit="ms",
        goal=1.0,
    )


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    rounds, plays = (3, 10) if options.quick else (ROUNDS, PLAYS)
    claims: list[Claim | NotMeasured] = []
    with tempfile.TemporaryDirectory() as directory:
        problems = proven(directory)
        starters = [
            Starter(directory, isolation, is_warm=is_warm)
            for isolation in ("none", *(name for name, problem in problems.items() if not problem))
            for is_warm in (False, True)
            if not (isolation == "bubblewrap" and is_warm)
        ]
        starters += [
            Starter(directory, isolation, is_warm=False, spares=0)
            for isolation in ("none", *(name for name, problem in problems.items() if not problem))
        ]
        for starter in starters:
            starter.start_ms()
        found: dict[Starter, list[float]] = {starter: [] for starter in starters}
        floor: list[float] = []
        for _ in range(rounds):
            time.sleep(PAUSE_S)
            floor.append(bare_ms())
            for starter in starters:
                time.sleep(PAUSE_S)
                found[starter].append(starter.start_ms())
        for starter, values in found.items():
            goal = {"warm": WARM_GOAL, "cold": COLD_GOALS.get(starter.isolation)}.get(starter.how)
            claims.append(
                Claim(
                    f"a play's start, {starter.how}, isolation {starter.isolation}",
                    values=values,
                    floor=floor,
                    floor_name="python3 -c pass",
                    unit="ms",
                    goal=None if starter.isolation == "none" else goal,
                )
            )
        claims += rates(starters, plays)
        for starter in starters:
            starter.close()
        claims.append(default_run(directory, rounds))
    return finish("Start: from the call to the first line of a flow", claims, options)


if __name__ == "__main__":
    sys.exit(main())
