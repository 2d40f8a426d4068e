"""``make docs``: regenerate what the documentation takes from the code; ``--check`` compares instead.

Generated are the help texts in docs/cli.md, the table in docs/limits.md and the completion scripts in
src/hero_logic/cli/completions/.
"""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterator

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "src"))

import shtab  # noqa: E402  # the path comes first

from hero_logic.cli.completions import SHELLS, script_path  # noqa: E402
from hero_logic.cli.main import VERBS, build_parser  # noqa: E402
from hero_logic.core.policy import GIB, KIB, LIMITS, MIB, Limit  # noqa: E402

_MARKED = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_COMPLETED = {"FLOW": shtab.FILE, "FILE": shtab.FILE, "PATH": shtab.FILE, "DIR": shtab.DIRECTORY}
_LIMITS_HEAD = """\
# Limits

The defaults that bound a play. This page is made by `make docs` from
[core/policy.py](../src/hero_logic/core/policy.py). An `RLIMIT_*` is never set above the hard
limit that is there already.

| limit | default | what it bounds |
|---|---|---|
"""


def main(arguments: list[str]) -> int:
    """Write the generated files, or with ``--check`` say which differ; 1 if any does."""
    is_check = arguments == ["--check"]
    if arguments and not is_check:
        sys.stderr.write("usage: python tools/docs.py [--check]\n")
        return 2
    stale = 0
    for path, wanted in generate():
        found = read(path)
        if found == wanted:
            continue
        if not is_check:
            write(path, wanted)
            print(f"wrote {os.path.relpath(path, ROOT)}")
            continue
        stale = 1
        print(f"{os.path.relpath(path, ROOT)} is not what the code says (+); run `make docs`:")
        print("\n".join(difflib.unified_diff(found.splitlines(), wanted.splitlines(), lineterm="", n=1)))
    return stale


def generate() -> Iterator[tuple[str, str]]:
    """Each generated file: its path and the text that it should have."""
    os.environ["COLUMNS"] = "80"
    os.environ["NO_COLOR"] = "1"
    cli = os.path.join(ROOT, "docs", "cli.md")
    yield cli, with_help(read(cli))
    yield os.path.join(ROOT, "docs", "limits.md"), limits_page()
    for shell in SHELLS:
        path = script_path(shell)
        yield path, completion(shell, read(path))


def with_help(page: str) -> str:
    """The page with each marked part replaced by the help text of its command."""
    helps = help_texts()
    return _MARKED.sub(lambda found: f"{found[1]}```text\n{helps[found[2]].rstrip()}\n```\n{found[3]}", page)


def help_texts() -> dict[str, str]:
    """The help of the command, of each verb and of each action of one, by name, 80 columns wide."""
    parser = build_parser("*")
    verbs = _verb_parsers(parser)
    helps = {"hero-logic": parser.format_help()}
    for name, verb in verbs.items():
        helps[name] = verb.format_help()
        helps |= {f"{name}-{action}": inner.format_help() for action, inner in _actions(verb).items()}
    return helps


def limits_page() -> str:
    """The whole page of limits."""
    rows = [f"| `{limit.name}` | {amount(limit)} | {limit.meaning} |\n" for limit in LIMITS]
    return _LIMITS_HEAD + "".join(rows)


def amount(limit: Limit) -> str:
    """A default as a person reads it.

    >>> amount(Limit("a", 16 * GIB, "bytes", "")), amount(Limit("b", 86_400, "seconds", ""))
    ('16 GiB', '86,400 s')
    """
    if limit.default is None:
        return "none"
    if limit.unit == "bytes":
        for size, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
            if limit.default and limit.default % size == 0:
                return f"{limit.default // size:g} {name}"
    number = f"{limit.default:,}".removesuffix(".0")
    return f"{number} {'s' if limit.unit == 'seconds' else limit.unit}"


def completion(shell: str, found: str) -> str:
    """The completion script for a shell.

    Another release of shtab writes another script that does the same: then the one that is there stands,
    as long as it knows every verb and option.
    """
    marker = f"# Made by `make docs` with shtab {shtab.__version__}; do not edit.\n"
    # The marker comes second: zsh looks at the first line of what it loads.
    first, _, rest = shtab.complete(_parser_with_files(), shell).lstrip().partition("\n")
    wanted = f"{first}\n{marker}{rest.rstrip()}\n"
    if marker in found or not all(word in found for word in completed_words(shell)):
        return wanted
    return found


def _parser_with_files() -> argparse.ArgumentParser:
    """The parser, with what takes a file or a directory marked as shtab wants it."""
    parser = build_parser("*")
    verbs = _verb_parsers(parser).values()
    for verb in (*verbs, *(inner for one in verbs for inner in _actions(one).values())):
        for action in verb._actions:
            if action.metavar in _COMPLETED:
                action.complete = _COMPLETED[action.metavar]  # type: ignore[attr-defined]  # shtab's way
    return parser


def _verb_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    verbs = next(action for action in parser._actions if action.dest == "verb").choices
    assert isinstance(verbs, dict)
    assert set(verbs) == set(VERBS)
    return verbs


def _actions(verb: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """What a verb of several actions has of them, by name."""
    found = next((action.choices for action in verb._actions if action.dest == "action"), None) or {}
    assert isinstance(found, dict)
    return found


def completed_words(shell: str) -> Iterator[str]:
    """The verbs and the long options, as a script for that shell has them."""
    yield from VERBS
    for text in help_texts().values():
        for option in re.findall(r"--([a-z][a-z-]+)", text):
            yield f"-l {option}" if shell == "fish" else f"--{option}"


def read(path: str) -> str:
    """The text of a file; "" where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(path: str, text: str) -> None:
    """Write a file whole."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
