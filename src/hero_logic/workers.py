"""Workers in processes of their own, over the same store: started, looked after, ended with who started them.

Each is ``hero-logic worker --attached``: its standard input is a pipe whose other end is here, so that it
ends at once, with all that it runs, however this process goes. One that ends by itself is started again,
after a pause that grows while that happens again and again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Event, Thread
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

_STUB = "import sys; sys.path.insert(0, sys.argv.pop(1)); from hero_logic.app import main; sys.exit(main())"
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 60.0
"""Who has worked for so long is not one that fails again and again."""
_END_S = 20.0


class Workers:
    """So many processes that work; a context manager.

    Args:
        count: how many.
        plays_at_once: how many plays each of them runs at a time.
        stop_s: how long what runs may go on at the end, in seconds.
        environment: theirs.
        note: told what the operator should know, each line that they print among it.
    """

    def __init__(
        self,
        count: int,
        *,
        plays_at_once: int,
        stop_s: float,
        environment: dict[str, str],
        note: Callable[[str], None],
    ) -> None:
        # The release that runs here, wherever it lies.
        source_dir = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self._command = [
            *(sys.executable, "-c", _STUB, source_dir, "worker", "--attached"),
            *("--plays", str(plays_at_once), "--stop-after", f"{stop_s:g}"),
        ]
        self._stop_s = stop_s
        self._environment = environment
        self._note = note
        self._stopping = Event()
        self._is_hard = False
        self._minders = [
            Thread(target=self._mind, args=(number,), name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Workers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start them, and look after them from now on."""
        for minder in self._minders:
            minder.start()

    def stop(self, *, is_hard: bool = False) -> None:
        """Stop them as SIGTERM does, and wait; ``is_hard`` ends what runs at once. Harmless twice."""
        self._is_hard = self._is_hard or is_hard
        self._stopping.set()
        for process in list(self._processes.values()):
            self._end(process)
        for minder in self._minders:
            if minder.ident is not None:
                minder.join()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        if self._is_hard and process.stdin is not None:
            # They are attached to it.
            process.stdin.close()

    @property
    def pids(self) -> list[int]:
        """The processes that are there now."""
        return [process.pid for process in self._processes.values() if process.poll() is None]

    def _mind(self, number: int) -> None:
        """Keep one of them going."""
        from hero_logic.service.bells import block_signals

        block_signals()
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began_s = monotonic()
            self._run_one(number)
            if self._stopping.is_set():
                return
            pause_s = _FIRST_PAUSE_S if monotonic() - began_s > _STEADY_S else pause_s
            self._note(f"worker {number} has ended and is started again in {pause_s:g} s")
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _run_one(self, number: int) -> None:
        """Start one, and tell what it says until it ends."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self._environment,
                # The terminal's interrupt is for who started us: it is passed on as a stop.
                start_new_session=True,
            )
        except OSError as error:
            self._note(f"worker {number} cannot be started: {error}")
            return
        self._processes[number] = process
        if self._stopping.is_set():
            self._end(process)
        assert process.stderr is not None, "it was asked for"
        self._tell(number, process.stderr)
        try:
            process.wait(self._stop_s + _END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None, "it was asked for"
        process.stdin.close()
        process.stderr.close()

    def _tell(self, number: int, lines: IO[bytes]) -> None:
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            self._note(f"worker {number}: {text.removeprefix('hero-logic: warning: ')}")
