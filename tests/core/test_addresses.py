"""Which addresses may be reached, and how a host and a port are written."""

from __future__ import annotations

import pytest

from hero_logic.core.addresses import literal_refusal, read_endpoint, refusal

PRIVATE = [
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "fc00::1",
    "fdff::1",
    "fec0::1",
    "64:ff9b:1::a00:1",
]
LOOPBACK = ["127.0.0.1", "127.255.255.254", "::1"]
LINK_LOCAL = ["169.254.1.1", "fe80::1", "fe80::1%eth0", "febf::1"]
METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
]
NO_HOST = [
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "ff02::1",
]
OTHERS = [
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "2001::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "4000::1",
    "::2",
    "::7f00:1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "11.0.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450::1",
]
INSIDE = [
    address for address in PRIVATE + LOOPBACK + LINK_LOCAL + METADATA + NO_HOST + OTHERS if "." in address
]


@pytest.mark.parametrize("address", PRIVATE + LOOPBACK + LINK_LOCAL + METADATA + NO_HOST + OTHERS)
def test_what_is_not_public_is_refused(address: str) -> None:
    """A name that leads there leads nowhere."""
    assert refusal(address) != ""


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_not_refused(address: str) -> None:
    """The addresses at the edges of the tables among them."""
    assert refusal(address) == ""


@pytest.mark.parametrize("address", INSIDE)
@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
def test_an_address_inside_another_one_is_judged_by_itself(prefix: str, address: str) -> None:
    """IPv4 mapped into IPv6, and NAT64, hide nothing."""
    assert refusal(prefix + address) == refusal(address) != ""


@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
def test_a_public_address_inside_another_one_is_public(prefix: str) -> None:
    """A host that has IPv6 alone reaches IPv4 so."""
    assert refusal(f"{prefix}93.184.215.14") == ""


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "1.2.3.4.5", "::g", "1.2.3.4\n"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Whatever a resolver gives."""
    assert refusal(text) == "no address"


@pytest.mark.parametrize("address", PRIVATE + LOOPBACK + ["169.254.1.1", "fe80::1", "100.64.0.1"])
def test_an_address_that_was_written_down_may_be_private(address: str) -> None:
    """The operator meant that one."""
    assert literal_refusal(address) == ""


@pytest.mark.parametrize("address", METADATA + NO_HOST + ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"])
def test_some_addresses_are_never_reached(address: str) -> None:
    """Those at which credentials are handed out, and those of nobody or of everybody."""
    assert literal_refusal(address) != ""


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("api.example.com:443", "api.example.com:443"),
        ("API.Example.COM.:443", "api.example.com:443"),
        ("*.Example.com:80", "*.example.com:80"),
        ("localhost:1", "localhost:1"),
        ("my_host:65535", "my_host:65535"),
        ("xn--bcher-kva.example:443", "xn--bcher-kva.example:443"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[0:0::1]:80", "[::1]:80"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ("[2606:4700:4700:0::1111]:443", "[2606:4700:4700::1111]:443"),
    ],
)
def test_an_endpoint_is_read_into_its_one_spelling(text: str, read: str) -> None:
    """Two spellings of one place are one grant."""
    assert str(read_endpoint(text)) == read
    assert str(read_endpoint(read)) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "host",
        "host:",
        ":443",
        "host:0",
        "host:65536",
        "host:99999999999",
        "host:+1",
        "host:\u0661",
        "host:4 4",
        "ho st:1",
        "a..b:1",
        ".a:1",
        "*:443",
        "**.a:1",
        "a.*.b:1",
        "*a.b:1",
        "b\u00fccher.example:443",
        "user@host:1",
        "http://host:1",
        "host/path:1",
        "::1:80",
        "[::1]",
        "[::1%lo]x:80",
        "[10.0.0.1]:80",
        "127.1:80",
        "0x7f.1:80",
        "1.2.3.256:80",
        "2130706433:80",
        "*.0.0.1:80",
        "a" * 64 + ":1",
        "a." * 200 + "a:1",
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    """What a resolver might read in a way of its own among them."""
    with pytest.raises(ValueError):
        read_endpoint(text)


@pytest.mark.parametrize(
    ("grant", "asked", "covers"),
    [
        ("a.example:443", "a.example:443", True),
        ("a.example:443", "a.example:80", False),
        ("a.example:443", "b.a.example:443", False),
        ("*.a.example:443", "b.a.example:443", True),
        ("*.a.example:443", "c.b.a.example:443", True),
        ("*.a.example:443", "a.example:443", False),
        ("*.a.example:443", "ba.example:443", False),
        ("*.a.example:443", "*.b.a.example:443", True),
        ("*.b.a.example:443", "*.a.example:443", False),
        ("b.a.example:443", "*.a.example:443", False),
        ("127.0.0.1:80", "localhost:80", False),
        ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", True),
    ],
)
def test_a_grant_covers_what_lies_within_it(grant: str, asked: str, covers: bool) -> None:
    """Exactly that host, or all below a suffix; always that port."""
    assert read_endpoint(grant).covers(read_endpoint(asked)) is covers


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("localhost:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("10.0.0.1:1", False),
        ("a.b:1", False),
    ],
)
def test_a_service_of_this_machine_is_known_by_its_address(text: str, is_loopback: bool) -> None:
    """It gets a door of its own."""
    assert read_endpoint(text).is_loopback is is_loopback
