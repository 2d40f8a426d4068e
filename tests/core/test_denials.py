"""What is said of a denial: only what is so, and only of what the flow named itself."""

from __future__ import annotations

import errno

import pytest

from hero_logic.core.denials import Denied, PathFacts, explain

THERE = PathFacts(exists=True, is_parent_there=True, is_readable=True, is_writable=True)


class Refused:
    """An attempt that the proxy denied."""

    def __init__(self, endpoint: str, why: str = "it was not granted", allow: str = "") -> None:
        self.endpoint = endpoint
        self.why = why
        self.allow = allow


def told_of_path(number: int, facts: PathFacts, *, path: str = "/data/x", isolation: str = "native") -> str:
    """What is said of an error about a path of which these things are so."""
    return explain(Denied(number, path=path), isolation=isolation, granted_net=[], look_at=lambda _: facts)


def told_of_net(denied: Denied, *granted: str, isolation: str = "native") -> str:
    """What is said of an error of the network."""

    def look(path: str) -> PathFacts:
        raise AssertionError(path)

    return explain(denied, isolation=isolation, granted_net=granted, look_at=look)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EPERM])
def test_a_file_that_is_there_and_not_seen_could_be_granted(number: int) -> None:
    """The flags are named with the path as the flow named it."""
    assert told_of_path(number, THERE) == (
        "the flow was denied /data/x; --allow-read /data/x would allow reading it, --allow-write writing too"
    )


def test_a_file_that_may_only_be_read_could_be_granted_for_writing() -> None:
    """It is known which of the two it was."""
    expected = "the flow was denied writing /data/x; --allow-write /data/x would allow it"
    read = PathFacts(exists=True, is_readable=True, is_writable=True, is_read_granted=True)

    assert told_of_path(errno.EROFS, THERE) == expected
    assert told_of_path(errno.EACCES, read) == expected


def test_a_file_that_is_nowhere_is_no_denial() -> None:
    """Nor is one in a directory that every play sees."""
    assert told_of_path(errno.ENOENT, PathFacts()) == ""
    assert told_of_path(errno.ENOENT, PathFacts(is_parent_there=True, is_always_seen=True)) == ""


def test_a_new_file_in_a_directory_that_is_not_seen_is_told_as_what_it_is() -> None:
    """Whether it was to be written is not known, and so not said."""
    assert told_of_path(errno.ENOENT, PathFacts(is_parent_there=True)) == (
        "the flow does not see /data, and there is no /data/x on this host; "
        "if it is to write there, --allow-write /data would allow it"
    )


@pytest.mark.parametrize(
    ("number", "facts"),
    [
        (errno.EACCES, PathFacts(exists=True)),
        (errno.EROFS, PathFacts(exists=True, is_readable=True)),
        (errno.EROFS, PathFacts(is_parent_there=True, is_always_seen=True)),
        (errno.EACCES, PathFacts(exists=True, is_writable=True, is_readable=True, is_write_granted=True)),
        (errno.EISDIR, THERE),
        (errno.ENOSPC, THERE),
    ],
)
def test_no_flag_is_named_that_would_not_help(number: int, facts: PathFacts) -> None:
    """Where the operator may not do it either, or it is another error."""
    assert told_of_path(number, facts) == ""


def test_what_is_never_granted_is_said_to_be() -> None:
    """If it is there: of what is not, nothing is to be said."""
    never = PathFacts(exists=True, is_readable=True, refusal="a play has a /proc of its own")

    assert told_of_path(errno.ENOENT, never).endswith("never granted: a play has a /proc of its own")
    assert told_of_path(errno.ENOENT, PathFacts(refusal="a reason")) == ""


def test_without_isolation_nothing_was_denied() -> None:
    """Tier 0 denies no file and no network."""
    assert told_of_path(errno.EACCES, THERE, isolation="none") == ""


@pytest.mark.parametrize("path", ["/a\x1b[2J", "/a\nb", "", "/" + "a" * 5000])
def test_a_path_that_no_flag_could_name_is_not_looked_at(path: str) -> None:
    """What a flow says of itself is hostile."""

    def look(path: str) -> PathFacts:
        raise AssertionError(path)

    assert explain(Denied(errno.ENOENT, path=path), isolation="native", granted_net=[], look_at=look) == ""


def test_a_name_that_led_nowhere_could_be_granted() -> None:
    """With the host and the port that it was about."""
    told = told_of_net(Denied(-3, is_name=True, host="api.example.com", port=443))

    assert told == ("the flow was denied api.example.com:443; --allow-net api.example.com:443 would allow it")


def test_an_address_that_is_not_reached_could_be_granted() -> None:
    """One of IPv6 in its brackets."""
    told = told_of_net(Denied(errno.ENETUNREACH, host="2606:4700::1", port=443))

    assert "--allow-net '[2606:4700::1]:443' would allow it" in told


@pytest.mark.parametrize("host", ["", "a b", "\x1b[2J", "169.254.169.254", "x" * 300])
def test_a_host_that_no_flag_could_name_is_not_named(host: str) -> None:
    """What a flow says of itself is hostile."""
    assert told_of_net(Denied(-2, is_name=True, host=host, port=80)) == (
        "the flow was denied the network; --allow-net HOST:PORT would allow it"
    )


def test_who_went_past_the_proxy_is_told_of_it() -> None:
    """It was granted: a flag would not help."""
    told = told_of_net(Denied(-3, is_name=True, host="api.example.com", port=443), "*.example.com:443")

    assert "did not go through its proxy" in told
    assert "--allow-net" not in told


def test_a_kind_of_socket_that_no_flag_grants_is_not_spoken_of() -> None:
    """Raw sockets, for one."""
    assert told_of_net(Denied(errno.EAFNOSUPPORT)) == ""


def test_where_there_are_no_sockets_that_is_said() -> None:
    """No grant changes it."""
    assert "has none, whatever is granted" in told_of_net(Denied(errno.EAFNOSUPPORT), isolation="landlock")


def test_what_the_proxy_denied_comes_before_what_the_flow_says() -> None:
    """The first three of them: the proxy knows."""
    refusals = [Refused(f"h{number}.example:443", allow=f"h{number}.example:443") for number in range(5)]

    told = explain(
        Denied(-3, is_name=True),
        isolation="native",
        granted_net=[],
        look_at=lambda _: THERE,
        refusals=refusals,
    ).splitlines()

    assert len(told) == 3
    assert told[0] == (
        "the flow was denied h0.example:443: it was not granted; --allow-net h0.example:443 would allow it"
    )


def test_what_nothing_would_allow_is_told_without_a_flag() -> None:
    """The address of a cloud's credentials, for one."""
    told = explain(
        None,
        isolation="native",
        granted_net=[],
        look_at=lambda _: THERE,
        refusals=[Refused("a.example:80", "its name leads to a loopback address (127.0.0.1)")],
    )

    assert told == "the flow was denied a.example:80: its name leads to a loopback address (127.0.0.1)"
