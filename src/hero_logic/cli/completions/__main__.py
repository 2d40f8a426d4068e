"""``python -m hero_logic.cli.completions SHELL`` prints the completion script for a shell."""

from __future__ import annotations

import sys

from hero_logic.cli.completions import SHELLS, script_path


def main(arguments: list[str]) -> int:
    """Print the script; the exit status."""
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        sys.stderr.write(f"usage: python -m hero_logic.cli.completions {{{','.join(SHELLS)}}}\n")
        return 2
    with open(script_path(arguments[0]), encoding="utf-8") as file:
        sys.stdout.write(file.read())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
