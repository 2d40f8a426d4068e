"""A flow that talks: what is printed or logged inside a step is kept with that step.

It still reaches the terminal as well. The file in ``artifacts/`` is kept with the play.
"""

import logging
import os
import sys

from hero_tracing import flow

logger = logging.getLogger("chatty")


@flow
def chatty(lines: int = 3) -> str:
    """Print, log, and write a small report; the path of the report."""
    logging.basicConfig(level=logging.DEBUG)

    with flow.step("print"):
        for number in range(1, lines + 1):
            print("line", number, "of", lines)
        print("to standard error", file=sys.stderr)

    with flow.step("print in pieces"):
        for number in range(lines, 0, -1):
            print(number, end=" ... ", flush=True)
        print("done")
        print("the last line has no end", end="")

    with flow.step("log"):
        logger.debug("a detail")
        logger.info("a fact, with %d arguments", 1)
        logger.warning("something odd")
        try:
            int("twelve")
        except ValueError:
            logger.exception("something wrong, and survived")
        flow.log("straight to the step", "notice")

    with flow.step("report") as step:
        os.makedirs("artifacts", exist_ok=True)
        path = os.path.join("artifacts", "report.txt")
        with open(path, "w", encoding="utf-8") as report:
            report.writelines(f"line {number}\n" for number in range(1, lines + 1))
        step.tag(path=path, bytes=os.path.getsize(path))
    return path


if __name__ == "__main__":
    chatty()
