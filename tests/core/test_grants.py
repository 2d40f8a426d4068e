"""What is granted, against what is asked for; what is never granted; what a policy file says."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from hero_logic.core.errors import UsageError
from hero_logic.core.grants import (
    Grants,
    Network,
    Surroundings,
    check_entries,
    flag,
    matches,
    path_refusal,
    read_policy,
    refusal_text,
    socket_path,
    socket_refusal,
    socket_variable,
)

AROUND = Surroundings(
    data_dir="/home/ada/.local/share/hero_logic",
    socket_dirs=["/tmp", "/run/user/1000"],
    agent_sockets={"/opt/engine/api": "a container engine", "/srv/agent/socket": "ssh's agent"},
    code_dirs=["/home/ada/project/.venv", "/usr"],
    policy_file="/home/ada/policies/policy.toml",
)


# What covers what


def test_a_path_is_covered_by_the_directory_that_it_is_in() -> None:
    """And by itself, and by nothing that only begins like it."""
    grants = Grants(read=["/data"], write=["/out"])

    assert [grants.covers("read", path) for path in ("/data", "/data/a/b", "/database", "/")] == [
        True,
        True,
        False,
        False,
    ]


def test_what_may_be_written_may_be_read_and_not_the_other_way_round() -> None:
    """A grant to write is the wider one."""
    grants = Grants(read=["/data"], write=["/out"])

    assert grants.covers("read", "/out/x")
    assert not grants.covers("write", "/data/x")


def test_each_other_kind_is_covered_by_its_own() -> None:
    """A variable by its name, a service by its name, a host by its name and port."""
    grants = Grants(net=["*.a.example:443"], rpc={"ai": "/run/ai.sock"}, env=["KEY"])

    assert grants.covers("net", "x.a.example:443")
    assert not grants.covers("net", "x.a.example:80")
    assert (grants.covers("rpc", "ai"), grants.covers("rpc", "db")) == (True, False)
    assert (grants.covers("env", "KEY"), grants.covers("env", "key")) == (True, False)


def test_nothing_granted_is_nothing() -> None:
    """Whichever kind there is something of, it is something."""
    assert Grants().is_empty()
    assert not Grants(rpc={"a": "/b"}).is_empty()


# What is said


@pytest.mark.parametrize(
    "value", ["/a b", "/it's", "/$(reboot)", "/`x`", "*.a.example:443", "/a;b", "-x", "", "/ä"]
)
def test_a_flag_can_be_pasted_into_a_shell(value: str) -> None:
    """It is one word there, and the word that was meant."""
    assert shlex.split(flag("read", value)) == ["--allow-read", value]


def test_the_refusal_has_each_flag_once_on_a_line_of_its_own() -> None:
    """In the order in which things were asked for."""
    text = refusal_text("nightly", [("read", "/a b"), ("net", "x.y:1"), ("read", "/a b"), ("env", "K")])

    assert [line.strip() for line in text.splitlines() if line.startswith("  ")] == [
        "--allow-read '/a b'",
        "--allow-net x.y:1",
        "--env K",
    ]


def test_a_flow_with_a_hostile_name_is_quoted() -> None:
    """Its name is its author's."""
    assert "\x1b" not in refusal_text("a\x1b[2J", [("env", "K")])


# What is never granted


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/home",
        "/etc",
        "/run",
        "/proc",
        "/proc/1/environ",
        "/dev",
        "/dev/sda",
        "/home/ada",
        "/home/ada/.local",
        "/home/ada/.local/share/hero_logic",
        "/home/ada/.local/share/hero_logic/hero_logic.db",
        "/tmp",
        "/run/user",
        "/run/user/1000",
        "/opt",
        "/opt/engine",
        "/opt/engine/api",
        "/srv/agent",
        "/data/\x1b[2J",
    ],
)
@pytest.mark.parametrize("is_write", [False, True])
def test_what_would_open_more_than_it_says_is_never_granted(path: str, is_write: bool) -> None:
    """The runtime's data, sockets, and directories that hold everybody's secrets."""
    assert path_refusal(path, is_write=is_write, around=AROUND) != ""


@pytest.mark.parametrize(
    "path", ["/home/ada/data", "/tmp/data", "/etc/hosts", "/run/user/1000/data", "/srv/data", "/home/bob"]
)
@pytest.mark.parametrize("is_write", [False, True])
def test_what_lies_beside_that_can_be_granted(path: str, is_write: bool) -> None:
    """A path is judged by what it leads to, not by where it begins."""
    assert path_refusal(path, is_write=is_write, around=AROUND) == ""


@pytest.mark.parametrize(
    "path",
    ["/home/ada/project", "/home/ada/project/.venv/bin", "/usr/local", "/home/ada/policies"],
)
def test_what_would_change_what_runs_next_can_be_read_and_not_written(path: str) -> None:
    """Code of the runtime and of interpreters, and the policy itself."""
    assert path_refusal(path, is_write=False, around=AROUND) == ""
    assert path_refusal(path, is_write=True, around=AROUND) != ""


@pytest.mark.parametrize(
    "path",
    [
        "/run/docker.sock",
        "/anywhere/docker.sock",
        "/run/podman/podman.sock",
        "/run/dbus/system_bus_socket",
        "/run/systemd/private",
        "/tmp/ssh-x/agent.123",
        "/home/ada/.gnupg/S.gpg-agent",
        "/home/ada/.gnupg/S.gpg-agent.ssh",
        "/opt/engine/api",
        "/srv/agent/socket",
        "/tmp/spans-0123.sock",
        "/home/ada/.local/share/hero_logic/x.sock",
    ],
)
def test_sockets_through_which_all_of_a_machine_can_be_had_are_never_granted(path: str) -> None:
    """By where they are, and by what they are called."""
    assert socket_refusal(path, around=AROUND) != ""


def test_the_socket_of_a_service_can_be_granted() -> None:
    """That is what the flag is for."""
    assert socket_refusal("/run/ai.sock", around=AROUND) == ""


# Policy files


def test_the_tables_of_a_policy_are_for_those_that_they_name() -> None:
    """Every flow, a flow by its name, a file by its path."""
    tables = read_policy(
        {
            "default": {"env": ["TZ"]},
            "flows": {"nightly": {"read": ["/data"]}},
            "paths": {"/flows/*.py": {"net": ["a.example:443"], "rpc": {"ai": "/run/ai.sock"}}},
        },
        "policy.toml",
    )

    def meant(flow: str, path: str) -> list[str]:
        return [table.by for table in tables if table.is_for(flow=flow, path=path)]

    assert meant("other", "/elsewhere/x.py") == ["default"]
    assert meant("nightly", "/elsewhere/x.py") == ["default", "flows"]
    assert meant("other", "/flows/x.py") == ["default", "paths"]
    assert tables[2].grants.rpc == {"ai": "/run/ai.sock"}


BAD_POLICIES: list[tuple[Any, str]] = [
    ({"flow": {}}, "'flow' is no table of a policy"),
    ({"default": {"reads": ["/a"]}}, "'reads' cannot be granted"),
    ({"default": []}, "is no table"),
    ({"flows": []}, "is a table of tables"),
    ({"paths": {"/a": 1}}, '[paths."/a"] is no table'),
    ({"default": {"read": "/a"}}, "is a list of texts"),
    ({"default": {"read": [1]}}, "is a list of texts"),
    ({"default": {"read": [""]}}, "a path is needed"),
    ({"default": {"net": ["a.example"]}}, "a host and a port"),
    ({"default": {"net": ["169.254.169.254:80"]}}, "never granted"),
    ({"default": {"rpc": ["ai"]}}, "rpc is a table of names and paths"),
    ({"default": {"rpc": {"ai": 1}}}, "rpc is a table of names and paths"),
    ({"default": {"rpc": {"a-b": "/x"}}}, "letters, digits"),
    ({"default": {"env": ["A=B"]}}, "letters, digits"),
]


@pytest.mark.parametrize(("document", "says"), BAD_POLICIES, ids=[says for _, says in BAD_POLICIES])
def test_what_is_no_policy_is_an_error_with_its_place(document: Any, says: str) -> None:
    """An unknown key grants nothing, and says so: it may be a known one, misspelt."""
    with pytest.raises(UsageError) as caught:
        read_policy(document, "policy.toml")

    assert str(caught.value).startswith("policy.toml: ")
    assert says in str(caught.value)


def test_a_flag_that_cannot_be_granted_is_named() -> None:
    """With what was typed, and why."""
    with pytest.raises(UsageError, match=r"--allow-net: 'nowhere': a host and a port are needed"):
        check_entries(net=["nowhere"], rpc={})


@pytest.mark.parametrize(
    ("path", "pattern", "is_match"),
    [
        ("/f/a.py", "/f/a.py", True),
        ("/f/a.py", "/f/*.py", True),
        ("/f/a.py", "/f/?.py", True),
        ("/f/ab.py", "/f/?.py", False),
        ("/f/a/b.py", "/f/*.py", False),
        ("/f/a/b.py", "/f/**/*.py", True),
        ("/f/b.py", "/f/**/*.py", True),
        ("/f/a/b/c.py", "/f/**", True),
        ("/g/a.py", "/f/**", False),
        ("/f/a.pyc", "/f/*.py", False),
        ("/f/a.py", "/**", True),
        ("/f/axbxc", "/f/a*b*c", True),
        ("/f/" + "a" * 300, "/f/" + "*a" * 100 + "b", False),
        ("/" + "a/" * 300, "/" + "**/a/" * 100 + "b", False),
    ],
)
def test_a_pattern_matches_whole_paths(path: str, pattern: str, is_match: bool) -> None:
    """``*`` within one name, ``**`` over any number of them; in a time that does not explode."""
    assert matches(path, pattern) is is_match


# What a play finds


def test_the_variables_name_the_proxy_in_both_spellings() -> None:
    """And what is not asked of it."""
    found = Network(["a.example:443"]).variables()

    assert set(found) == {
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
    assert found["HTTPS_PROXY"] == found["all_proxy"] == "http://127.0.0.1:3128"


def test_a_service_of_this_machine_has_a_door_where_it_is_looked_for() -> None:
    """One for each place, however often and in whichever words it is granted."""
    network = Network(["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "a.example:443", "127.0.0.2:80"])

    assert network.doors[1:] == [("127.0.0.1", 8000), ("::1", 8000), ("127.0.0.2", 80)]
    assert network.services == ["localhost:8000", "[::1]:8000", "127.0.0.2:80"]


def test_the_proxy_gives_way_to_a_service_at_its_port() -> None:
    """The flow looks for that service there, and for the proxy where the variables say."""
    network = Network(["127.0.0.1:3128"])

    assert network.doors == [("127.0.0.1", 3129), ("127.0.0.1", 3128)]


def test_a_socket_is_found_by_its_name() -> None:
    """In a variable, at a path of the play's own."""
    assert (socket_variable("ai"), socket_path("ai")) == ("HERO_FLOW_RPC_AI", "/run/hero/rpc/ai.sock")
