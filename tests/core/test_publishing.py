"""What a source has to be to be published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.errors import UsageError
from hero_logic.core.library import Problem
from hero_logic.core.publishing import (
    MAX_PROBLEMS,
    Checked,
    check_description,
    check_name,
    check_source,
    check_tags,
    file_name,
    looks_legacy,
    own_name,
    plain_description,
)

HEAD = "from hero_tracing import flow\n"
GOOD = HEAD + "@flow\ndef main(): pass\n"
LEGACY = '{"name": "greet", "nodes": [], "edges": []}'


def checked(source: str, beside: tuple[str, ...] = ()) -> Checked:
    return check_source(source, "f", beside)


def told(source: str, beside: tuple[str, ...] = ()) -> list[tuple[str, str, int, int]]:
    return [(one.severity, one.code, one.line, one.column) for one in checked(source, beside).problems]


def test_a_good_source_has_an_entry_and_no_problem() -> None:
    """What a play of it would run."""
    found = checked(GOOD)

    assert found.entry is not None
    assert (found.entry.function, found.problems, found.is_fit) == ("main", [], True)


@pytest.mark.parametrize(
    ("source", "code", "line", "column"),
    [
        ("def f(:\n", "bad_flow_file", 1, 7),
        (GOOD + "x = (\n", "bad_flow_file", 4, 5),
        ("x = 1\nx = = 2\n", "bad_flow_file", 2, 5),
        ("a\0b", "bad_flow_file", 1, 2),
        ("x = '\ud800'\n", "bad_flow_file", 1, 6),
        ("# coding: latin-1\nx = '\u0153'\n", "bad_flow_file", 2, 6),
        ("\n# coding: nonsense\n", "bad_flow_file", 2, 1),
        (HEAD + "@flow(needs={'fly': []})\ndef f(): pass\n", "bad_flow_file", 2, 1),
        ("# /// script\n# x = [\n# ///\n" + GOOD, "bad_flow_file", 1, 1),
        ("", "no_entry", 1, 1),
        ("def main(): pass\n", "no_entry", 1, 1),
        (HEAD + "@flow\ndef a(): pass\n@flow\ndef b(): pass\n", "no_entry", 5, 1),
        (LEGACY, "legacy_flow", 1, 1),
        (" " * 1024 * 1024 + GOOD, "bad_flow_file", 1, 1),
    ],
)
def test_what_cannot_run_is_an_error_with_its_place(source: str, code: str, line: int, column: int) -> None:
    """Line and column count from 1; the message does not say the place again."""
    found = checked(source)

    (problem,) = found.problems
    assert (problem.severity, problem.code, problem.line, problem.column) == ("error", code, line, column)
    assert not found.is_fit
    assert "f.py" not in problem.message


def test_several_flows_are_told_with_what_to_do() -> None:
    """Nobody can name an entry for a published flow: one has to stand out."""
    (problem,) = checked(HEAD + "@flow\ndef a(): pass\n@flow\ndef b(): pass\n").problems

    assert "2 flows" in problem.message
    assert "call it main" in problem.message
    assert "--entry" not in problem.message


@pytest.mark.parametrize("names", [("main", "other"), ("f", "other")])
def test_of_several_flows_one_may_stand_out(names: tuple[str, ...]) -> None:
    """As it does where a file is run: main, or the one that has the name."""
    source = HEAD + "".join(f"@flow\ndef {name}(): pass\n" for name in names)

    entry = checked(source).entry

    assert entry is not None
    assert entry.function == names[0]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("import json, os.path", None),
        ("from __future__ import annotations", None),
        ("import hero_tracing", None),
        ("import httpx", ("warning", "unknown_import", 1, 1)),
        ("from httpx import get", ("warning", "unknown_import", 1, 1)),
        ("def g():\n    import httpx", ("warning", "unknown_import", 2, 5)),
        ("import helpers", ("error", "import_beside", 1, 1)),
        ("import json, helpers", ("error", "import_beside", 1, 1)),
        ("from helpers import x", ("error", "import_beside", 1, 1)),
        ("from pack import sub", ("error", "import_beside", 1, 1)),
        ("import pack.sub as s", ("error", "import_beside", 1, 1)),
        ("from . import x", ("error", "relative_import", 1, 1)),
        ("'é'; import helpers", ("error", "import_beside", 1, 6)),
        ("from ..up import x", ("error", "relative_import", 1, 1)),
        ("try:\n    import helpers\nexcept ImportError:\n    pass", ("warning", "import_beside", 2, 5)),
        (
            "try:\n    import helpers\nexcept (OSError, Exception):\n    pass",
            ("warning", "import_beside", 2, 5),
        ),
        ("try:\n    import helpers\nexcept:\n    pass", ("warning", "import_beside", 2, 5)),
        ("try:\n    import helpers\nexcept OSError:\n    pass", ("error", "import_beside", 2, 5)),
        ("try:\n    pass\nexcept ImportError:\n    import helpers", ("error", "import_beside", 4, 5)),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helpers", None),
        ("import typing\nif typing.TYPE_CHECKING:\n    import helpers\nelse:\n    import json", None),
    ],
)
def test_what_does_not_come_along_is_told(statement: str, problem: tuple[str, str, int, int] | None) -> None:
    """A module beside the file is an error, unless its failure is caught; an unknown one may be installed."""
    found = told(f"{statement}\n{GOOD}", ("helpers", "pack.sub"))

    assert found == ([] if problem is None else [problem])


def test_the_message_names_the_module_and_what_is_seen() -> None:
    """A published flow sees nothing but itself."""
    (problem,) = checked("import helpers\n" + GOOD, ("helpers",)).problems

    assert "helpers lies beside the file" in problem.message
    assert "sees no module of its former directory" in problem.message


def test_an_unknown_module_is_told_once() -> None:
    """However often it is imported."""
    assert told("import httpx\nimport httpx.x\nfrom httpx import y\n" + GOOD) == [
        ("warning", "unknown_import", 1, 1)
    ]


def test_with_dependencies_named_nothing_is_unknown() -> None:
    """Which package a module is of, only installing it would tell."""
    block = '# /// script\n# dependencies = ["PyYAML"]\n# ///\n'

    assert told(block + "import yaml\n" + GOOD) == []


@pytest.mark.parametrize(
    ("parameters", "said", "problem"),
    [
        ("x: int = 'a'", "", ("warning", "unfit_default", 3, 1)),
        ("x: int = None", "", None),
        ("x: int = f()", "", None),
        ("x: np.array", "", ("warning", "unread_annotation", 3, 1)),
        ("x: Any, y: 'Any', z: object, w", "", None),
        ("x", "inputs={'y': 'what'}", ("warning", "unknown_input", 3, 1)),
        ("**more", "inputs={'y': 'what'}", None),
        ("", "needs={'read': ['data.csv']}", ("error", "relative_need", 3, 1)),
        ("", "needs={'read': ['/data.csv', '~/x'], 'net': ['a.example:443']}", None),
    ],
)
def test_what_a_flow_says_of_itself_is_checked(
    parameters: str, said: str, problem: tuple[str, str, int, int] | None
) -> None:
    """Against what a published flow can have, and against itself."""
    found = told(f"{HEAD}@flow({said})\ndef main({parameters}): pass\n")

    assert found == ([] if problem is None else [problem])


def test_problems_come_in_the_order_of_their_places_and_are_bounded() -> None:
    """A hostile source does not fill the screen."""
    imports = "".join(f"def f{n}():\n    import m{n}\n" for n in range(500))
    found = checked(HEAD + imports + GOOD.replace(HEAD, "") + "from . import x\n")

    assert len(found.problems) == MAX_PROBLEMS + 1
    assert [one.line for one in found.problems] == sorted(one.line for one in found.problems)
    assert found.problems[-1].message == "and 401 more"
    assert not found.is_fit


pieces = st.lists(
    st.sampled_from(
        [HEAD, "@flow\n", "def main(x: int = 'a'): pass\n", "import helpers\n", "try:\n", "    pass\n"]
    )
    | st.sampled_from(
        ["except:\n", "from . import x\n", "class C: pass\n", "# coding: latin-1\n", "é", "{", "\r"]
    )
    | st.sampled_from(["# /// script\n", "# ///\n"])
    | st.text(max_size=5)
).map("".join)


@given(pieces, st.text(min_size=1))
def test_any_text_is_fit_or_has_an_error_with_a_place(source: str, name: str) -> None:
    """Whatever is to be published: nothing raises, and an error has its line and column."""
    found = check_source(source, name, {"helpers"})

    errors = [problem for problem in found.problems if problem.severity == "error"]
    assert found.is_fit == (not errors)
    assert all(isinstance(one, Problem) and one.line >= 1 and one.column >= 1 for one in found.problems)
    assert all(one.message and one.code for one in found.problems)


@pytest.mark.parametrize(
    "name", ["a", "nightly report", "sales/nightly", "été", "x" * 128, "0123456789abcdeg"]
)
def test_a_name_may_have_what_prints(name: str) -> None:
    """Spaces and slashes too."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "0 characters"),
        ("x" * 129, "129 characters"),
        (" a", "begins or ends with a space"),
        ("a\n", "do not print"),
        ("a\x1bb", "do not print"),
        ("a\ud800", "do not print"),
        ("a@1", "a version follows"),
        ("-a", "an option"),
        ("f.py", "taken for a file"),
        ("0123456789abcdef", "the sid of a flow"),
    ],
)
def test_a_name_that_would_be_taken_for_something_else_is_refused(name: str, why: str) -> None:
    """And the message says for what."""
    with pytest.raises(UsageError, match=why) as caught:
        check_name(name)

    assert len(str(caught.value)) < 500


def test_tags_are_kept_once_without_spaces_around_them() -> None:
    """In their order."""
    assert check_tags([" b ", "a", "b"]) == ["b", "a"]


@pytest.mark.parametrize("tags", [[""], [" "], ["x" * 65], ["a\tb"], [str(n) for n in range(51)]])
def test_tags_that_cannot_be_are_refused(tags: list[str]) -> None:
    """Empty, long, many, or with what does not print."""
    with pytest.raises(UsageError):
        check_tags(tags)


def test_what_a_source_says_of_itself_becomes_a_description_whatever_it_is() -> None:
    """It is no reason to refuse a source."""
    assert plain_description("a\x1bb") == "a\ufffdb"
    assert len(plain_description("x" * 20_000)) == 10_000


def test_a_description_is_any_text_that_prints() -> None:
    """Of several lines too; not a megabyte, and no escape sequences."""
    assert check_description(" one\n\ttwo ") == "one\n\ttwo"
    for text in ("x" * 10_001, "\x1b[31m", "a\0"):
        with pytest.raises(UsageError):
            check_description(text)


@pytest.mark.parametrize(
    ("name", "file"),
    [("nightly", "nightly.py"), ("sales/nightly report", "nightly_report.py"), ("a/", "a_.py")],
)
def test_a_flow_is_called_like_a_file_in_messages(name: str, file: str) -> None:
    """Whatever its name has in it."""
    assert file_name(name) == file


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (GOOD, "stem"),
        (HEAD + "@flow\ndef nightly(): ...\n", "nightly"),
        (HEAD + "@flow('the name')\ndef main(): ...\n", "the name"),
        (LEGACY, "greet"),
        ('{"name": 7, "nodes": []}', "stem"),
        ("def f(:", "stem"),
    ],
)
def test_a_source_is_called_what_it_calls_itself(source: str, name: str) -> None:
    """A flow of the function main by its file."""
    assert own_name(source, "stem")[0] == name


@pytest.mark.parametrize(
    "text", ["", "{}", '{"nodes": 1}', "[]", "{'nodes': []}", '{"nodes": [', "{" * 100_000]
)
def test_what_is_no_workflow_of_before_is_not_taken_for_one(text: str) -> None:
    """It is a JSON object with a list of nodes."""
    assert not looks_legacy(text)
    assert looks_legacy(LEGACY)
