"""What a play sees of the host's files: what is granted, and above all what is not."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.runner.sandbox.view import (
    KEEP,
    LIST,
    READ,
    RUN,
    Entry,
    beyond,
    interpreter_entries,
    system_entries,
    without_links,
    without_what_is_inside,
)


def is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory + "/")


def is_granted(path: str | Path, entries: list[Entry]) -> bool:
    """Whether a path is an entry, or below one."""
    return any(is_below(str(path), outer) for outer, _ in entries)


def make_venv(directory: Path) -> str:
    """A virtual environment; its interpreter."""
    venv.create(directory, with_pip=False)
    return str(directory / "bin" / "python")


def make_prefix(directory: Path, *, python: str = "bin/python3") -> str:
    """What looks like the prefix of an interpreter; the path of that."""
    for name in ("bin", "lib/python3", "share", "include", "var"):
        (directory / name).mkdir(parents=True)
    path = directory / python
    path.write_text("")
    return str(path)


# The system


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssl/private",
        "/etc/shadow",
        "/etc/passwd",
        "/etc/ssh",
        "/etc/hostname",
        "/etc/environment",
        "/etc/machine-id",
        "/etc",
        "/etc/ssl",
        "/etc/pki",
        "/",
        "/home",
        "/root",
        "/tmp",
        "/var",
        "/var/run/docker.sock",
        "/run",
        "/opt",
        "/srv",
        "/boot",
        "/proc",
        "/sys",
        "/dev",
    ],
)
def test_what_may_hold_secrets_is_not_named(path: str) -> None:
    """Of /etc some files are, and no directory whole that has something private in it."""
    assert not is_granted(path, system_entries())


def test_the_system_is_to_be_run_and_its_settings_to_be_read() -> None:
    """Nothing of it can be changed; what this host does not have is left out."""
    entries = system_entries()

    assert {access for path, access in entries if path.startswith("/etc")} <= {READ}
    assert {access for path, access in entries if not path.startswith("/etc")} == {RUN}
    assert ("/usr", RUN) in entries
    assert all(os.path.lexists(path) for path, _ in entries)


def test_the_systems_own_interpreter_needs_nothing_more() -> None:
    """All of it is below /usr, which every program gets."""
    assert interpreter_entries("/usr/bin/python3") == []


# The interpreter


def test_our_own_interpreter_has_its_prefix_and_that_which_it_was_made_from() -> None:
    """Its packages, its library and the file that it is."""
    entries = interpreter_entries(sys.executable) + system_entries()

    for path in (sys.executable, os.path.realpath(sys.executable), os.__file__, pytest.__file__):
        assert is_granted(path, entries), path


def test_a_virtual_environment_has_its_packages_and_the_library_it_was_made_from(tmp_path: Path) -> None:
    """To be run, but for the file that says where it comes from."""
    python = make_venv(tmp_path / ".venv")
    entries = interpreter_entries(python)

    assert (str(tmp_path / ".venv" / "lib"), RUN) in entries
    assert (str(tmp_path / ".venv" / "bin"), RUN) in entries
    assert (str(tmp_path / ".venv" / "pyvenv.cfg"), READ) in entries
    assert is_granted(os.__file__, entries + system_entries())
    assert is_granted(os.path.realpath(python), entries + system_entries())


def test_what_lies_beside_a_virtual_environment_is_not_named(tmp_path: Path) -> None:
    """It is somebody's project."""
    python = make_venv(tmp_path / ".venv")
    (tmp_path / ".env").write_text("SECRET=1")
    entries = interpreter_entries(python)

    assert not is_granted(tmp_path / ".env", entries)
    assert not is_granted(tmp_path, entries)
    assert not is_granted(tmp_path / ".venv", entries)


def test_a_project_that_is_a_virtual_environment_itself_is_not_named_whole(tmp_path: Path) -> None:
    """Its prefix is the project: what Python put there is granted, and nothing else."""
    python = make_venv(tmp_path)
    for name in ("src", "data", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / ".env").write_text("SECRET=1")
    entries = interpreter_entries(python)

    assert is_granted(tmp_path / "lib" / "python3", entries)
    for name in ("", "src", "data", ".git", ".env"):
        assert not is_granted(str(tmp_path / name).rstrip("/"), entries), name


def test_of_an_interpreter_below_a_home_nothing_else_of_the_home_is_named(tmp_path: Path) -> None:
    """As pyenv keeps them."""
    version = tmp_path / ".pyenv" / "versions" / "3.11.7"
    python = make_prefix(version)
    entries = interpreter_entries(python)

    assert {path for path, _ in entries} == {str(version / name) for name in ("bin", "lib", "share")}
    for path in (tmp_path, tmp_path / ".pyenv", tmp_path / ".pyenv" / "versions", tmp_path / ".ssh", version):
        assert not is_granted(path, entries)


def test_an_interpreter_that_is_a_chain_of_links_has_the_prefix_of_each(tmp_path: Path) -> None:
    """Absolute and relative ones, as environments made from environments have them."""
    last = make_prefix(tmp_path / "c", python="bin/python3.11")
    for name in ("a", "b"):
        make_prefix(tmp_path / name)
        (tmp_path / name / "bin" / "python3").unlink()
    (tmp_path / "c" / "bin" / "python3").symlink_to("python3.11")
    (tmp_path / "b" / "bin" / "python3").symlink_to("../../c/bin/python3")
    (tmp_path / "a" / "bin" / "python3").symlink_to(tmp_path / "b" / "bin" / "python3")
    entries = interpreter_entries(str(tmp_path / "a" / "bin" / "python3"))

    for name in ("a", "b", "c"):
        assert (str(tmp_path / name / "lib"), RUN) in entries
    assert is_granted(last, entries)


def test_an_interpreter_below_a_linked_directory_is_there_by_both_its_paths(tmp_path: Path) -> None:
    """Such as /opt/python/current: the link is shown as a link, and what it leads to by its own path."""
    make_prefix(tmp_path / "3.11")
    (tmp_path / "current").symlink_to("3.11")
    entries = interpreter_entries(str(tmp_path / "current" / "bin" / "python3"))

    assert (str(tmp_path / "current"), LIST) in entries
    assert (str(tmp_path / "3.11" / "lib"), RUN) in entries
    assert not [path for path, _ in entries if path.startswith(f"{tmp_path}/current/")]


def test_links_on_the_way_are_entries_of_their_own(tmp_path: Path) -> None:
    """Relative, absolute, one behind the other, and through the parent; all else has no link on its way."""
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "file").touch()
    (tmp_path / "one").symlink_to("real/../two")
    (tmp_path / "two").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "alias").symlink_to("deep/file")

    assert without_links([(f"{tmp_path}/one/alias", READ), (f"{tmp_path}/real", KEEP)]) == [
        (f"{tmp_path}/one", LIST),
        (f"{tmp_path}/two", LIST),
        (f"{tmp_path}/real/alias", LIST),
        (f"{tmp_path}/real/deep/file", READ),
        (f"{tmp_path}/real", KEEP),
    ]


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    """And grant nothing."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert len(without_links([(f"{tmp_path}/a/file", READ)])) < 50


def test_a_relative_link_below_a_linked_directory_leads_where_the_kernel_says(tmp_path: Path) -> None:
    """``..`` is the parent of what the link leads to, not of the link."""
    python = make_prefix(tmp_path / "opt" / "real")
    (tmp_path / "opt" / "bin").mkdir()
    (tmp_path / "opt" / "bin" / "python3").symlink_to("../real/bin/python3")
    (tmp_path / "link").symlink_to("opt/bin")
    entries = interpreter_entries(str(tmp_path / "link" / "python3"))

    assert is_granted(python, entries)


def test_links_that_lead_in_a_circle_are_no_endless_loop(tmp_path: Path) -> None:
    """Such an interpreter cannot be started anyway."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "a").symlink_to("b")
    (tmp_path / "bin" / "b").symlink_to("a")

    assert interpreter_entries(str(tmp_path / "bin" / "a")) == [(str(tmp_path / "bin"), RUN)]


def test_an_interpreter_that_is_not_there_grants_nothing(tmp_path: Path) -> None:
    """Starting it fails, and says so."""
    assert interpreter_entries(str(tmp_path / "none" / "bin" / "python")) == []


@pytest.mark.parametrize("text", ["", "home", "home =", "\0", "version = 3\nHOME = /x\n", "home = bin\n"])
def test_an_environment_that_does_not_say_where_it_comes_from_has_its_own_prefix(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its file has instead; nothing is granted by a path that is none, such as our own directory."""
    python = make_prefix(tmp_path / "v")
    (tmp_path / "here" / "lib").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "v" / "pyvenv.cfg").write_text(text)
    entries = interpreter_entries(python)

    assert all(is_below(path, str(tmp_path / "v")) for path, _ in entries)


# One list of entries

NAMES = st.sampled_from(["a", "b", "a-b", "ab"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
ENTRIES = st.lists(st.tuples(PATHS, st.sampled_from([LIST, READ, RUN, KEEP])), max_size=12)
MEANS = {LIST: {"l"}, READ: {"l", "r"}, RUN: {"l", "r", "x"}, KEEP: {"l", "r", "w"}}


def rights(path: str, entries: list[Entry]) -> set[str]:
    """What all entries around a path grant there together."""
    return {right for outer, access in entries if is_below(path, outer) for right in MEANS[access]}


@given(ENTRIES)
def test_what_is_left_out_is_granted_all_the_same(entries: list[Entry]) -> None:
    """At every path, just what all entries together grant; no entry is made up."""
    kept = without_what_is_inside(entries)

    assert set(kept) <= set(entries)
    for path, _ in entries:
        for place in (path, path + "/below"):
            assert rights(place, kept) == rights(place, entries)


@given(ENTRIES)
def test_the_outer_paths_come_first(entries: list[Entry]) -> None:
    """A mount would hide what was mounted below it before."""
    kept = [path for path, _ in without_what_is_inside(entries)]

    for at, path in enumerate(kept):
        assert not [earlier for earlier in kept[:at] if earlier != path and is_below(earlier, path)]


@given(ENTRIES)
def test_nothing_is_kept_that_one_around_it_grants(entries: list[Entry]) -> None:
    """Each entry is a mount, which costs time at every start."""
    kept = without_what_is_inside(entries)

    for path, access in kept:
        others = [(outer, grant) for outer, grant in kept if (outer, grant) != (path, access)]
        around = [grant for outer, grant in others if is_below(path, outer)]
        assert access not in around
        assert not (access == READ and RUN in around)


@given(st.data(), ENTRIES)
def test_the_order_in_which_entries_are_named_does_not_matter(
    data: st.DataObject, entries: list[Entry]
) -> None:
    """Nor how often."""
    shuffled = data.draw(st.permutations(entries + entries[:3]))

    assert without_what_is_inside(shuffled) == without_what_is_inside(entries)


@pytest.mark.parametrize("other", [READ, RUN, LIST])
def test_what_may_be_changed_is_not_hidden_by_another_entry_for_it(other: str) -> None:
    """As mounts the later of two hides the earlier, and as rules both hold: so it comes last."""
    assert without_what_is_inside([("/a", KEEP), ("/a", other)])[-1] == ("/a", KEEP)
    assert without_what_is_inside([("/a", other), ("/a", KEEP)])[-1] == ("/a", KEEP)


def test_a_name_that_begins_like_anothers_is_not_inside_it() -> None:
    """Directories are compared, not letters."""
    assert without_what_is_inside([("/a", RUN), ("/ab", RUN), ("/a/b", RUN)]) == [("/a", RUN), ("/ab", RUN)]


# What one play sees beside what every play does


def test_what_every_play_sees_is_not_shown_again() -> None:
    """Neither the same nor what lies in it and is granted no more."""
    wanted = [("/usr", RUN), ("/usr/share", READ), ("/work", KEEP)]

    assert beyond([("/usr", RUN)], wanted) == [("/work", KEEP)]


def test_what_may_be_changed_is_shown_over_what_may_be_read() -> None:
    """It was granted, in a directory that every play sees."""
    assert beyond([("/usr", RUN)], [("/usr/local/data", KEEP)]) == [("/usr/local/data", KEEP)]


def test_what_lies_in_something_granted_stays_as_it_was() -> None:
    """An interpreter in a directory that may be changed may not be changed for that."""
    base = [("/opt/python/bin", RUN), ("/opt/python/lib", RUN), ("/usr", RUN)]

    found = beyond(base, [("/opt", KEEP)])

    assert found == [("/opt", KEEP), ("/opt/python/bin", RUN), ("/opt/python/lib", RUN)]
