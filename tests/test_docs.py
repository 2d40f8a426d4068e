"""The documentation says what the code does: each page is held against the code that it is about."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hero_logic.cli import main as command_line
from hero_logic.cli.completions import SHELLS, script_path
from hero_logic.core import errors, wire
from hero_logic.core.finding import StoreSize
from hero_logic.core.library import (
    FlowDetails,
    FlowPage,
    FlowPut,
    FoundFlows,
    Problem,
    PublishedVersion,
    VersionPage,
)
from hero_logic.core.lifecycle import MOVES
from hero_logic.core.policy import LIMITS
from hero_logic.core.records import Artifact, Counters, Play, Span
from hero_logic.service.document import list_document, play_document
from hero_logic.service.retention import Pruned
from support.command import environment, hero_logic
from support.error_tree import error_classes

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
DOCS = ROOT / "docs"
PAGES = sorted(
    path for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "changelog.d").glob("*.md")]
)
EVENTS = (wire.Hello, wire.SpanStart, wire.SpanTag, wire.SpanLog, wire.SpanEnd)
VERDICTS = ("stops", "slows", "does not stop")

# Read by the operating system's or the terminal's conventions, and not by a name of ours.
FOREIGN_VARIABLES = ("NO_COLOR", "COLUMNS", "TERM", "VIRTUAL_ENV", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "PATH")


@dataclass(frozen=True)
class Block:
    """A fenced block of Python on a page; ``marks`` is what stands after the language."""

    page: str
    line: int
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read(path: Path) -> str:
    """The text of a page."""
    return path.read_text(encoding="utf-8")


def blocks() -> list[Block]:
    """Every block of Python on every page."""
    fence = re.compile(r"^```python([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [
        Block(
            str(path.relative_to(ROOT)),
            read(path).count("\n", 0, found.start()) + 1,
            tuple(shlex.split(found[1])),
            found[2],
        )
        for path in PAGES
        for found in fence.finditer(read(path))
    ]


BLOCKS = blocks()
PLAYS = [block for block in BLOCKS if block.marks[:1] == ("play",)]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)


def headings(page: str) -> list[str]:
    """The headings of a page, without their marks."""
    return [line.lstrip("#").strip() for line in prose(page).splitlines() if re.match(r"#+ ", line)]


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", page, re.MULTILINE)
    assert found, heading
    rest = page[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", prose_kept_in_place(rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def prose_kept_in_place(page: str) -> str:
    """The page with fenced blocks blanked out, so that positions stay."""
    return re.sub(r"^```.*?^```$", lambda found: " " * len(found[0]), page, flags=re.DOTALL | re.MULTILINE)


def rows(page: str) -> dict[str, list[str]]:
    """Table rows by the word in backquotes that begins them: the other cells, those of the first such row."""
    found: dict[str, list[str]] = {}
    for line in prose(page).splitlines():
        row = re.match(r"\| `([^`]+)`[^|]*\|(.*)\|$", line)
        if row:
            found.setdefault(row[1], [cell.strip() for cell in row[2].split("|")])
    return found


def anchor(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sources() -> list[Path]:
    """The files of Python that we ship."""
    return sorted(path for path in SOURCE.rglob("*.py") if "__pycache__" not in path.parts)


def test_generated_pages_are_what_the_code_says() -> None:
    """``make docs`` would change nothing: help texts, limits and completion scripts are current."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_of_python_compiles(block: Block) -> None:
    """What a page shows as Python is Python."""
    compile(block.text, str(block), "exec", dont_inherit=True)

    assert block.marks[:1] in ((), ("play",)), f"{block}: unknown marks {block.marks}"


@pytest.mark.parametrize("block", PLAYS, ids=str)
def test_every_block_that_is_a_flow_runs_as_its_page_says(block: Block, tmp_path: Path) -> None:
    """A block marked ``play`` runs as a play with the arguments beside the mark, and ends as it says."""
    expected = 0
    arguments = []
    for mark in block.marks[1:]:
        if mark.startswith("exit="):
            expected = int(mark.removeprefix("exit="))
        else:
            arguments.append(mark)
    flow = tmp_path / "example.py"
    flow.write_text(block.text, encoding="utf-8")

    done = hero_logic("run", str(flow), *arguments, "--json")

    assert done.returncode == expected, done.stdout.decode() + done.stderr.decode()
    assert len(json.loads(done.stdout)["spans"]) > 0


@pytest.mark.parametrize("block", PLAYS, ids=str)
def test_every_block_that_is_a_flow_loads_without_the_runtime(block: Block, tmp_path: Path) -> None:
    """A flow is a plain module too: the SDK alone is enough to import it, and says nothing."""
    flow = tmp_path / "example.py"
    flow.write_text(block.text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-c", "import example"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("verb", command_line.VERBS)
def test_every_verb_has_a_heading(verb: str) -> None:
    """docs/cli.md has a section for each verb, with its help text."""
    text = section(read(DOCS / "cli.md"), verb)

    assert f"usage: hero-logic {verb}" in text


def test_every_environment_variable_has_a_row() -> None:
    """docs/environment.md has each variable that the code names, and none that it does not."""
    named = set(FOREIGN_VARIABLES)
    for path in sources():
        named.update(re.findall(r"HERO_(?:LOGIC|FLOW)_[A-Z_]*[A-Z]", read(path)))
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").glob("*.py")]:
        named.update(re.findall(r"HERO_TEST_[A-Z_]*[A-Z]", read(path)))
    documented = set(rows(read(DOCS / "environment.md")))

    assert named <= documented
    assert {name for name in documented if name.startswith("HERO_")} - {"HERO_FLOW_*"} <= named


def test_every_variable_that_the_code_reads_is_known_to_this_test() -> None:
    """A variable that is read by its name is one of ours, or in the list of foreign ones above."""
    read_by_name = re.compile(
        r"(?:environ|environment)\.get\(\s*\"([A-Z_]+)\"|(?:environ|environment)\[\"([A-Z_]+)\"\]"
    )
    named = {
        name for path in sources() for found in read_by_name.findall(read(path)) for name in found if name
    }

    assert {name for name in named if not name.startswith("HERO_")} <= set(FOREIGN_VARIABLES)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__struct_config__.tag)
def test_every_event_and_each_of_its_keys_has_a_row(event: Any) -> None:
    """docs/protocol.md has a table for each type of event, its keys in order, `*` for the required."""
    name = event.__struct_config__.tag
    text = section(read(DOCS / "protocol.md"), "Events")
    table = text[text.index(f"\n`{name}`: ") :].split("\n\n")[1]
    required = event.__struct_fields__[: len(event.__struct_fields__) - len(event.__struct_defaults__)]

    keys = re.findall(r"^\| `(\w+)`(\*?) \|", table, re.MULTILINE)

    assert keys == [(key, "*" if key in required else "") for key in event.__struct_fields__]


def test_every_field_of_a_span_has_a_row() -> None:
    """docs/protocol.md lists what is kept of a span."""
    listed = rows(section(read(DOCS / "protocol.md"), "What is kept"))

    assert [key for key in listed if "." not in key] == list(Span.__struct_fields__)


def test_every_counter_has_a_row() -> None:
    """docs/protocol.md says what each counter counts."""
    listed = rows(section(read(DOCS / "protocol.md"), "Counters"))

    assert list(listed) == list(Counters.__struct_fields__)


def test_the_folding_rules_are_numbered_as_the_code_cites_them() -> None:
    """docs/protocol.md has the rules 1 to 14, once each."""
    text = section(read(DOCS / "protocol.md"), "Folding rules")

    assert re.findall(r"^(\d+)\. ", text, re.MULTILINE) == [str(number) for number in range(1, 15)]


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.code)
def test_every_error_has_a_row(error: type[errors.HeroLogicError]) -> None:
    """docs/errors.md has each code with its class and its exit status."""
    cells = rows(read(DOCS / "errors.md"))[error.code]

    assert cells[:2] == [f"`{error.__name__}`", str(error.exit_status)]
    assert all(cells)


def test_no_error_is_documented_that_is_not_there() -> None:
    """docs/errors.md has the codes of the tree and no others."""
    assert set(rows(read(DOCS / "errors.md"))) == {error.code for error in error_classes()}


def test_every_exit_status_has_a_row() -> None:
    """docs/exit-statuses.md has the statuses of the command line and of the errors, and no others."""
    listed = {
        int(number) for number in re.findall(r"^\| (\d+) \|", read(DOCS / "exit-statuses.md"), re.MULTILINE)
    }
    used = {value for name, value in vars(command_line).items() if name.startswith("EXIT_")}

    assert listed == used | {error.exit_status for error in error_classes()}


def test_every_limit_has_a_row() -> None:
    """docs/limits.md has each limit of the policy."""
    assert list(rows(read(DOCS / "limits.md"))) == [limit.name for limit in LIMITS]


def documented_json() -> Any:
    """A play with everything in it, as its document."""
    span = Span("a", "", "n", "step", 1.0, 2.0, "ok", {}, "", "", "", "", "", "", 0)
    play = Play("s", artifacts=[Artifact("report.txt", 5)])
    return json.loads(b"".join(play_document(play, [span])))


def test_every_key_of_the_json_document_has_a_row() -> None:
    """docs/json.md has each key of a play, of its parts and of a list, and no others."""
    document = documented_json()
    parts = [
        document,
        document["artifacts"][0],
        document["sandbox"],
        document["counters"],
        document["spans"][0],
    ]
    listing = json.loads(list_document([Play("s")], None, StoreSize(1, 2, 3)))
    pruned = json.loads(msgspec.json.encode(Pruned([], 0)))
    keys = {key for part in [*parts, listing, listing["store"], pruned] for key in part}
    for struct in (FlowDetails, FlowPage, FoundFlows, FlowPut, Problem, PublishedVersion, VersionPage):
        keys.update(struct.__struct_fields__)

    assert set(rows(read(DOCS / "json.md"))) == keys


def test_a_list_leaves_out_what_its_page_says() -> None:
    """docs/json.md names the keys of a play that ``ls --json`` leaves out."""
    (play,) = json.loads(list_document([Play("s")], None))["plays"]
    told = rows(read(DOCS / "json.md"))["plays"][-1]

    assert set(documented_json()) - set(play) == set(re.findall(r"`(\w+)`", told))


def test_every_status_of_a_play_is_on_the_page_of_documents() -> None:
    """docs/json.md names the statuses that a play can have."""
    told = rows(read(DOCS / "json.md"))["status"][-1]

    assert re.findall(r"`(\w+)`", told) == list(MOVES)


def citations() -> list[tuple[str, str, str]]:
    """Each page that a file of ours cites, with each heading quoted after it ("" for the page alone)."""
    found = []
    cited = re.compile(r"docs/([\w./-]+\.md)((?:,? (?:and )?\"[^\"]+\")*)")
    for path in [
        *sources(),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "tools").glob("*.py"),
        ROOT / "pyproject.toml",
    ]:
        if path == Path(__file__):
            continue
        for page, quoted in cited.findall(read(path)):
            quotes = re.findall(r"\"([^\"]+)\"", quoted) or [""]
            found.extend((str(path.relative_to(ROOT)), page, heading) for heading in quotes)
    return sorted(set(found))


def test_every_page_that_the_code_cites_is_there() -> None:
    """A "Source:" in the code leads to a page, and to the heading that it quotes."""
    broken = []
    for where, page, heading in citations():
        path = DOCS / page
        if not path.exists() or (heading and heading not in headings(read(path))):
            broken.append((where, page, heading))

    assert citations()
    assert broken == []


def links() -> list[tuple[Path, str]]:
    """Every link of every page that does not lead elsewhere."""
    found = []
    for path in PAGES:
        targets = re.findall(r"\]\(([^)\s]+)\)", prose(read(path)))
        found.extend((path, target) for target in targets if not re.match(r"[a-z]+:", target))
    return found


def test_every_link_leads_somewhere() -> None:
    """A link within the repository leads to a file that is there, and to a heading that it has."""
    broken = []
    for path, target in links():
        name, _, fragment = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        anchors = [""] if not file.is_file() else ["", *map(anchor, headings(read(file)))]
        if not file.exists() or fragment not in anchors:
            broken.append((path.name, target))

    assert broken == []


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links to every page below docs/."""
    linked = {(path.parent / target).resolve() for path, target in links() if path == DOCS / "README.md"}

    assert {path for path in DOCS.rglob("*.md") if path != DOCS / "README.md"} <= linked


def test_the_map_names_every_module() -> None:
    """ARCHITECTURE.md has each module of the package by its file's name."""
    text = read(ROOT / "ARCHITECTURE.md")
    names = {
        path.name for path in sources() if path.name != "__init__.py" and "completions" not in path.parts
    }
    folders = {path.parent.name for path in (SOURCE / "hero_logic").rglob("*.py")} - {"hero_logic"}

    assert {name for name in names if name not in text} == set()
    assert {name for name in folders if f"{name}/" not in text} == set()


def test_the_map_names_no_module_that_is_gone() -> None:
    """Each file of Python in the tree of ARCHITECTURE.md is there."""
    tree = read(ROOT / "ARCHITECTURE.md").split("```")[1]
    present = {path.name for path in sources()}

    assert set(re.findall(r"\w+\.py", tree)) - present == set()


def committed_entries() -> list[str]:
    """What stands in the root of the repository, ignored files left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted({line.split("/")[0] for line in listed.stdout.splitlines() if (ROOT / line).exists()})


def test_the_map_explains_every_entry_of_the_root() -> None:
    """ARCHITECTURE.md says what each entry of the repository's root is for; a listing of it is short."""
    entries = committed_entries()
    text = section(read(ROOT / "ARCHITECTURE.md"), "The repository root")

    if not entries:
        pytest.skip("not a git checkout")
    assert [entry for entry in entries if f"`{entry}" not in text] == []
    assert len([entry for entry in entries if not entry.startswith(".")]) <= 15


def test_every_make_target_is_explained() -> None:
    """CONTRIBUTING.md has a row for each target of the Makefile."""
    targets = re.findall(r"^(\w+): .*## ", read(ROOT / "Makefile"), re.MULTILINE)
    text = read(ROOT / "CONTRIBUTING.md")

    assert targets
    assert [target for target in targets if f"`make {target}" not in text] == []


def security_cells() -> list[tuple[str, str]]:
    """Each cell of the table of threats that holds a verdict: the threat, and the cell."""
    table = section(read(ROOT / "SECURITY.md"), "Threats")
    lines = re.findall(
        r"^\| (.*) \|$", re.sub(r"^\|.*\n\|---.*\n", "", table, flags=re.MULTILINE), re.MULTILINE
    )
    return [
        (threat, cell.strip()) for threat, *cells in (line.split(" | ") for line in lines) for cell in cells
    ]


def test_every_cell_of_the_threats_has_a_verdict_and_a_test() -> None:
    """SECURITY.md claims nothing without a verdict, and without the name of a test that shows it."""
    cells = security_cells()

    assert cells
    assert [threat for threat, cell in cells if not cell.startswith(VERDICTS)] == []
    assert [threat for threat, cell in cells if not re.search(r"`tests/[\w/]+\.py::test_\w+`", cell)] == []


def test_every_test_that_the_security_page_names_is_there() -> None:
    """SECURITY.md names tests by file and function, and each of them exists."""
    missing = []
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", read(ROOT / "SECURITY.md")):
        file = ROOT / path
        tree = ast.parse(read(file)) if file.exists() else ast.Module([], [])
        if name not in [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
            missing.append(f"{path}::{name}")

    assert missing == []


DECISIONS = sorted((DOCS / "design").glob("*.md"))


def test_decisions_are_numbered_without_gaps() -> None:
    """docs/design/ counts from 0001."""
    assert [path.name[:5] for path in DECISIONS] == [
        f"{number:04d}-" for number in range(1, len(DECISIONS) + 1)
    ]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_every_decision_has_its_parts(path: Path) -> None:
    """A decision has a question, a choice, what was rejected, and how it would show to be wrong."""
    text = read(path)

    parts = ("**Question.**", "**Choice.**", "**Rejected.**", "**We would know that it was wrong**")

    assert [part for part in parts if part not in text] == []
    assert 20 <= len(text.splitlines()) <= 60


def test_changelog_fragments_are_named_by_kind_and_hold_one_paragraph() -> None:
    """changelog.d/ has ``TOPIC.KIND.md`` files with one paragraph each."""
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]
    name = re.compile(r"[a-z0-9-]+\.(added|changed|fixed|security|removed)\.md")

    assert [path.name for path in fragments if not name.fullmatch(path.name)] == []
    assert [path.name for path in fragments if len(read(path).strip().splitlines()) != 1] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_completion_script_of_each_shell_is_printed(shell: str) -> None:
    """``python -m hero_logic.cli.completions SHELL`` prints the script that comes with the package."""
    done = subprocess.run(
        [sys.executable, "-m", "hero_logic.cli.completions", shell],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert done.stdout == read(Path(script_path(shell)))


def test_completions_for_an_unknown_shell_are_a_usage_error() -> None:
    """A shell that there is no script for is refused, and those that there are named."""
    done = subprocess.run(
        [sys.executable, "-m", "hero_logic.cli.completions", "sh"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert all(shell in done.stderr for shell in SHELLS)


def test_the_completion_script_for_bash_completes_verbs() -> None:
    """Loaded into bash, the script completes the beginning of a verb."""
    lines = [
        f"source {shlex.quote(script_path('bash'))}",
        "spec=$(complete -p hero-logic); name=${spec#*-F }; name=${name%% *}",
        "COMP_WORDS=(hero-logic ing); COMP_CWORD=1; $name; echo ${COMPREPLY[@]}",
    ]

    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )

    assert done.stdout.split() == ["ingest"], done.stderr
