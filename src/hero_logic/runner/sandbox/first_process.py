"""The first process of a play's own world: it starts the play, takes in its orphans, and ends with it.

The kernel gives pid 1 of a pid namespace no signal that it has no handler for, and ends everything in the
namespace when it ends. So it has one handler, which passes SIGTERM on, and it ends when the play does:
nothing that the play started is left then, whatever it did to hide.
"""

from __future__ import annotations

import os
import signal

from hero_logic.runner.sandbox import kernel


def see_to_the_end(pid: int, status_descriptor: int) -> None:
    """Reap whatever ends until the play does; tell how, and end. Never returns.

    Args:
        pid: the play's.
        status_descriptor: where the play's wait status goes, as 4 bytes.
    """
    # Whoever finds nothing told goes by this: an end that is not known is no good end.
    exit_code = 1
    try:
        # The play is of the same user: nothing of this process is for it to read.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.drop_capabilities()
        # What the play has is the play's: the ends of its pipes must close when it closes them. Until the one
        # is closed by which a failure is told, no line of its flow runs.
        os.closerange(0, status_descriptor)
        os.closerange(status_descriptor + 1, os.sysconf("SC_OPEN_MAX"))
        signal.signal(signal.SIGTERM, lambda *_: _pass_on(pid))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        while True:
            ended, status = os.waitpid(-1, 0)
            if ended == pid:
                os.write(status_descriptor, status.to_bytes(4, "little"))
                exit_code = 0
                return
    finally:
        os._exit(exit_code)


def _pass_on(pid: int) -> None:
    """To the play's group; to the play alone where it has not made one yet."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return  # it was just reaped
