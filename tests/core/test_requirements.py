"""Requirements held against an interpreter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import Specifier
from packaging.version import Version as PeersVersion

from hero_logic.core.requirements import normalized_name, satisfies, unmet
from hero_logic.core.script_metadata import ScriptMetadata


def unmet_of(requirement: str, installed: dict[str, str] | None = None, platform: str = "linux") -> list[str]:
    return unmet(ScriptMetadata("", [requirement]), (3, 11, 4), installed or {}, platform=platform)


@pytest.mark.parametrize(
    ("version", "specifiers"),
    [
        ("1.0", ""),
        ("1.0", "==1"),
        ("1.0", "== 1.0.0"),
        ("1.0", "(>=1,<2)"),
        ("1.0", ">=1,"),
        ("1.10", ">1.9"),
        ("1.0+local", "==1.0"),
        ("1.0+local", "==1.0+LOCAL"),
        ("1.0+local", "<=1.0"),
        ("1.0.post1", ">=1.0"),
        ("1.0.post2", ">1.0.post1"),
        ("1.1", ">1.0"),
        ("2.0rc1", "<2.0.post1"),
        ("2.0rc1", "<2.0rc2"),
        ("2.0.dev1", "<2.0a1"),
        ("2.0a1.dev1", "<2.0a1"),
        ("2.0a1", ">=2.0.dev5"),
        ("1.0.post1.dev1", "<1.0.post2"),
        ("1.0.post1", ">1.0.dev1"),
        ("1.0.post1", ">1.0a1"),
        ("1.0c1", "==1.0-rc.1"),
        ("v1.0-1", "==1.0.post1"),
        ("1.0alpha", "==1.0a0"),
        ("1!1.0", ">2025"),
        ("3.11.4", "==3.11.*"),
        ("3", "==3.0.*"),
        ("3.1", "!=3.11.*"),
        ("1.4.9", "~=1.4.2"),
        ("1.9", "~=1.4"),
        ("2.2.1", "~=2.2.post3"),
        ("What-Ever", "===what-ever"),
        ("1.0", "===1.0"),
        ("legacy", "!=1.0"),
        ("legacy", "!=1.*"),
    ],
)
def test_a_version_within_the_specifiers_satisfies_them(version: str, specifiers: str) -> None:
    """The clauses mean what PEP 440 says."""
    assert satisfies(version, specifiers)


@pytest.mark.parametrize(
    ("version", "specifiers"),
    [
        ("1.0", "!=1"),
        ("1.0", ">1"),
        ("1.0", "<1"),
        ("1.0", ">=1,<1"),
        ("1.0", "==1.0+local"),
        ("1.0+local", ">1.0"),
        ("1.0.post1", ">1.0"),
        ("2.0rc1", "<2.0"),
        ("2.0.dev1", "<2.0"),
        ("1.0.post1.dev1", "<1.0.post1"),
        ("1.0a1.post1", ">1.0a1"),
        ("1!1.0", "==1.0"),
        ("1!1.0", "==1.*"),
        ("3.1", "==3.11.*"),
        ("3.11", "!=3.11.*"),
        ("1.4.1", "~=1.4.2"),
        ("1.5.0", "~=1.4.2"),
        ("2.0", "~=1.4"),
        ("1.0", "===1"),
        ("legacy", ">=0"),
        ("legacy", "~=1.0"),
        ("legacy", "==1.*"),
    ],
)
def test_a_version_outside_of_the_specifiers_does_not(version: str, specifiers: str) -> None:
    """One clause that is not met is enough, and a version of no standard meets next to none."""
    assert not satisfies(version, specifiers)


@pytest.mark.parametrize(
    "specifiers",
    [
        "1.0",
        "=1.0",
        ">=",
        ">=one",
        "==1.*.2",
        ">=1.*",
        "~=1",
        "~=1.*",
        ">=1.0+local",
        "==1a1.*",
        ">=1 2",
        "=>1",
        ">=" + "9" * 5000,
    ],
)
def test_what_is_no_specifier_is_an_error(specifiers: str) -> None:
    """What cannot be read is told, never guessed."""
    with pytest.raises(ValueError, match=r".+"):
        satisfies("1.0", specifiers)


numbers = st.integers(0, 3)
releases = st.lists(numbers, min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
versions = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "1!"]),
        releases,
        st.sampled_from(["", "", "a1", "b2", "rc1"]),
        st.sampled_from(["", "", ".post0", ".post1"]),
        st.sampled_from(["", "", ".dev0", ".dev1"]),
    ),
)
locals_ = st.sampled_from(["", "", "+a", "+1", "+a.1"])


@given(versions, locals_, st.sampled_from(["==", "!=", "<=", ">=", "<", ">"]), versions)
def test_comparisons_agree_with_the_reference(version: str, local: str, operator: str, wanted: str) -> None:
    """For every shape of version the answer is that of the packaging library, pre-releases included."""
    peers = Specifier(operator + wanted).contains(PeersVersion(version + local), prereleases=True)

    assert satisfies(version + local, operator + wanted) == peers


@given(versions, releases, st.sampled_from(["==", "!=", "~="]))
def test_wildcards_and_compatible_releases_agree_with_the_reference(
    version: str, release: str, operator: str
) -> None:
    """The same for a series, said as ==1.2.* or ~=1.2.3."""
    specifier = f"~={release}.1" if operator == "~=" else f"{operator}{release}.*"
    peers = Specifier(specifier).contains(PeersVersion(version), prereleases=True)

    assert satisfies(version, specifier) == peers


@pytest.mark.parametrize(
    "requirement",
    [
        "rich",
        "Rich >= 13",
        "rich[jupyter]>=13,<15",
        "rich [a, b] (>=13)",
        "rich @ https://example.com/rich.zip",
        "rich@https://example.com/a;b.zip ; python_version > '3'",
        "ri_ch.x",
        "missing; python_version < '3.11'",
        "missing ; sys_platform == 'win32'",
        "missing; os_name == 'nt'",
        'missing; platform_system == "Darwin"',
        "missing; python_full_version > '3.11.4'",
        "missing; python_version not in '3.10, 3.11'",
        "missing; 'win' in sys_platform",
        "missing; '3.12' <= python_version",
        "missing; python_version == '3.10.*'",
        "missing; sys_platform == 'win32' and (os_name == 'nt' or unknown == 'x')",
        "missing; (os_name == 'nt' and sys_platform == 'linux') or python_version == '3.9'",
    ],
)
def test_a_requirement_that_is_met_is_not_told(requirement: str) -> None:
    """What is installed in the right version is met, and so is what does not apply here."""
    assert unmet_of(requirement, {"rich": "14.0", "ri-ch-x": "1"}) == []


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("missing", "not installed"),
        ("missing @ https://example.com/a.zip", "not installed"),
        ("rich>=15", "14.0 is installed"),
        ("rich>=15; python_version >= '3.11'", "14.0 is installed"),
        ("missing; sys_platform == 'linux'", "not installed"),
        ("missing; platform_machine == 'x86_64'", "not installed"),
        ("missing; extra == 'x'", "not installed"),
        ("missing; sys_platform == 'win32' or unknown == 'x'", "not installed"),
        ("missing; os_name == 'posix' and unknown == 'x'", "not installed"),
        ("missing; python_version", "not installed"),
        ("missing; python_version == 'new'", "not installed"),
        ("missing; sys_platform > 'a'", "not installed"),
        ("missing; os_name == 'nt' )", "not installed"),
        ("missing; (os_name == 'nt'", "not installed"),
        ("missing; os_name == 'nt", "not installed"),
        ("missing; " + "(" * 100_000, "not installed"),
    ],
)
def test_a_requirement_that_is_not_met_is_told_with_the_reason(requirement: str, reason: str) -> None:
    """What is missing or too old is told; a marker that cannot be evaluated counts as true."""
    assert unmet_of(requirement, {"rich": "14.0"}) == [f"{requirement} ({reason})"]


@pytest.mark.parametrize("requirement", ["", ">=1", "rich 13", "rich>>1", "rich>=x", "rich; ", "é"])
def test_a_requirement_that_cannot_be_read_is_not_met(requirement: str) -> None:
    """Nothing is taken for met that has not been understood; an empty marker is no marker."""
    found = unmet_of(requirement, {"rich": "14.0"})

    assert found == [] if requirement == "rich; " else "cannot be read" in found[0]


@pytest.mark.parametrize(
    ("requires_python", "problems"),
    [
        ("", []),
        (">=3.11", []),
        ("==3.11.*", []),
        (">=3.12", ["Python >=3.12 (this is 3.11.4)"]),
        ("three", ["Python three (it cannot be read: 'three' is no version specifier)"]),
    ],
)
def test_the_python_itself_is_a_requirement(requires_python: str, problems: list[str]) -> None:
    """requires-python is held against the interpreter's version."""
    assert unmet(ScriptMetadata(requires_python), (3, 11, 4), {}) == problems


@pytest.mark.parametrize(("platform", "applies"), [("linux", False), ("win32", True), ("plan9", False)])
def test_markers_are_evaluated_for_the_platform_given(platform: str, applies: bool) -> None:
    """The platform is an argument, so the answer is the same everywhere."""
    assert (
        bool(unmet_of("missing; os_name == 'nt' and platform_system == 'Windows'", platform=platform))
        is applies
    )


def test_every_requirement_is_told() -> None:
    """All that is not met is in the answer, Python first, then in the order of the block."""
    metadata = ScriptMetadata(">=4", ["b", "a"])

    assert unmet(metadata, (3, 11, 4), {}) == [
        "Python >=4 (this is 3.11.4)",
        "b (not installed)",
        "a (not installed)",
    ]


def test_names_are_compared_as_the_index_does() -> None:
    """Case does not matter, and runs of -, _ and . are one dash."""
    assert normalized_name("Foo__Bar.-baz") == "foo-bar-baz"


@given(st.text(), st.text())
def test_any_metadata_has_an_answer(requires_python: str, requirement: str) -> None:
    """Whatever a block says, the answer is a list."""
    metadata = ScriptMetadata(requires_python, [requirement, f"a; {requirement}", f"a @ {requirement}"])

    assert isinstance(unmet(metadata, (3, 11, 4), {"a": "1.0"}), list)
