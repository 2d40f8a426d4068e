"""Write the table of docs/sandbox.md: what ordinary Python does in which isolation; ``--check`` compares.

The rows are those of tests/escape/ordinary.py, each cell of which tests/escape/test_ordinary_python.py tries.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from escape.ordinary import FEATURES  # noqa: E402  # the path comes first
from hero_logic.core.tiers import ISOLATIONS  # noqa: E402

PAGE = ROOT / "docs" / "sandbox.md"
_MARKED = re.compile(r"(<!-- generated: what-works -->\n).*?(<!-- end -->\n)", re.DOTALL)


def table() -> str:
    """The rows, and below them the reasons, numbered in the order in which they come up."""
    reasons: list[str] = []
    lines = ["| | " + " | ".join(ISOLATIONS) + " |\n", "|---|" + "---|" * len(ISOLATIONS) + "\n"]
    for feature in FEATURES:
        cells = []
        for isolation in ISOLATIONS:
            reason = feature.missing.get(isolation)
            if reason and reason not in reasons:
                reasons.append(reason)
            cells.append(f"no ({reasons.index(reason) + 1})" if reason else "yes")
        lines.append(f"| {feature.name} | " + " | ".join(cells) + " |\n")
    notes = [f"{number}. {reason}\n" for number, reason in enumerate(reasons, 1)]
    return "".join([*lines, "\n", *notes])


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is what it should be; 1 if it is not."""
    found = PAGE.read_text(encoding="utf-8")
    wanted = _MARKED.sub(lambda marks: marks[1] + table() + marks[2], found)
    if found == wanted:
        return 0
    if arguments == ["--check"]:
        print("docs/sandbox.md has not the table of tests/escape/ordinary.py; run tools/sandbox_table.py")
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
