"""Which addresses of the network a play may reach: pure, from text to a verdict.

A host is granted by its name, and its name says nothing of where it leads: whoever holds the name may have
it lead into the operator's own network, to a service on this machine, or to where a cloud hands out its
credentials. So what a name leads to is judged once it is known, and only public addresses pass.

Laws:

1. An address that is not known to be public is refused: the tables below say what is, and why not.
2. An address inside another one (IPv4 mapped into IPv6, NAT64) is judged by itself.
3. An operator who writes an address down means that address: then private ones pass too. What hands out
   credentials of the machine, and what is no address of one host, never does.

Source: docs/design/0013-the-network-allow-list.md; the registries of special-purpose addresses are
https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_METADATA = "an address at which a cloud hands out the credentials of this machine"
_NO_HOST = "no address of one host"

_IPV4: tuple[tuple[str, str], ...] = (
    # First: they lie within others.
    ("169.254.169.254/32", _METADATA),
    ("169.254.170.0/24", _METADATA),  # of containers
    ("168.63.129.16/32", _METADATA),  # it looks public
    ("100.100.100.200/32", _METADATA),
    ("192.0.0.192/32", _METADATA),
    ("0.0.0.0/8", _NO_HOST),
    ("224.0.0.0/4", _NO_HOST),
    ("240.0.0.0/4", _NO_HOST),
    ("10.0.0.0/8", "a private address"),
    ("172.16.0.0/12", "a private address"),
    ("192.168.0.0/16", "a private address"),
    ("100.64.0.0/10", "an address behind a carrier's NAT"),
    ("127.0.0.0/8", "a loopback address"),
    ("169.254.0.0/16", "a link-local address"),
    ("192.0.0.0/24", "a reserved address"),
    ("192.0.2.0/24", "an address for documentation"),
    ("192.88.99.0/24", "a reserved address"),
    ("198.18.0.0/15", "an address for benchmarks"),
    ("198.51.100.0/24", "an address for documentation"),
    ("203.0.113.0/24", "an address for documentation"),
)
_IPV6: tuple[tuple[str, str], ...] = (
    ("fd00:ec2::/32", _METADATA),
    ("fd20:ce::/32", _METADATA),
    ("::/128", _NO_HOST),
    ("ff00::/8", _NO_HOST),
    ("::1/128", "a loopback address"),
    ("fe80::/10", "a link-local address"),
    ("fec0::/10", "a private address"),
    ("fc00::/7", "a private address"),
    ("64:ff9b:1::/48", "a private address"),  # NAT64 within somebody's network
    ("2001::/23", "a reserved address"),  # Teredo, which carries an IPv4 address, among them
    ("2001:db8::/32", "an address for documentation"),
    ("2002::/16", "a reserved address"),  # 6to4, which carries an IPv4 address
    ("3fff::/20", "an address for documentation"),
)
_IPV4_NETWORKS = tuple((IPv4Network(text), why) for text, why in _IPV4)
_IPV6_NETWORKS = tuple((IPv6Network(text), why) for text, why in _IPV6)
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

_MAX_HOST_CHARS = 253
_MAX_LABEL_CHARS = 63
_MAX_PORT = 65_535
_LABEL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
LOCALHOST = "localhost"
"""The one name that means an address: loopback, whatever a resolver says."""


def refusal(address: str) -> str:
    """Why an address that a name led to is not reached; "" where it is public.

    >>> refusal("10.1.2.3"), refusal("::ffff:127.0.0.1"), refusal("93.184.215.14")
    ('a private address', 'a loopback address', '')
    """
    try:
        return _verdict(_innermost(ip_address(address.partition("%")[0])))
    except ValueError:
        return "no address"


def literal_refusal(address: str) -> str:
    """Why an address is not reached even though the operator wrote it down; "" for all others.

    >>> literal_refusal("127.0.0.1"), literal_refusal("0.0.0.0")
    ('', 'no address of one host')
    """
    why = refusal(address)
    return why if why in (_METADATA, _NO_HOST, "no address") else ""


def _verdict(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return next((why for network, why in _IPV4_NETWORKS if address in network), "")
    for network, why in _IPV6_NETWORKS:
        if address in network:
            return why
    return "" if address in _PUBLIC_IPV6 else "a reserved address"


def _innermost(address: Address) -> Address:
    """The address that is really meant: law 2."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address


class Endpoint:
    """A host and a port that a play may reach, as it was written: a name, ``*.suffix``, or an address.

    Attributes:
        host: in lower case; an address in its shortest form; ``.suffix`` for ``*.suffix``.
        port: 1 to 65535.
        is_address: whether the host is an address, or ``localhost``.
    """

    __slots__ = ("host", "is_address", "port")

    def __init__(self, host: str, port: int, *, is_address: bool) -> None:
        self.host = host
        self.port = port
        self.is_address = is_address

    @property
    def is_loopback(self) -> bool:
        """Whether it names a service of this machine."""
        return self.host == LOCALHOST or (self.is_address and refusal(self.host) == "a loopback address")

    def covers(self, other: Endpoint) -> bool:
        """Whether all of the other one is granted with this one.

        >>> read_endpoint("*.example.com:443").covers(read_endpoint("api.example.com:443"))
        True
        >>> read_endpoint("*.example.com:443").covers(read_endpoint("example.com:443"))
        False
        """
        if self.port != other.port:
            return False
        if self.host == other.host:
            return True
        return self.host.startswith(".") and not other.is_address and other.host.endswith(self.host)

    def __str__(self) -> str:
        host = f"*{self.host}" if self.host.startswith(".") else self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def read_endpoint(text: str) -> Endpoint:
    """Read ``HOST:PORT``, ``*.SUFFIX:PORT`` or ``[IPV6]:PORT``.

    Raises:
        ValueError: it is none of these, in words that fit behind the text and a colon.

    >>> str(read_endpoint("API.Example.com.:443")), str(read_endpoint("[::1]:80"))
    ('api.example.com:443', '[::1]:80')
    """
    host, colon, port_text = text.rpartition(":")
    if not colon or not host:
        raise ValueError("a host and a port are needed, such as api.example.com:443")
    if not port_text.isascii() or not port_text.isdigit() or len(port_text) > len(str(_MAX_PORT)):
        raise ValueError(f"{port_text[:20]!r} is no port")
    port = int(port_text)
    if not 0 < port <= _MAX_PORT:
        raise ValueError(f"{port} is no port")
    if host.startswith("[") and host.endswith("]"):
        return Endpoint(str(_innermost(IPv6Address(host[1:-1]))), port, is_address=True)
    if ":" in host:
        raise ValueError("an IPv6 address stands in brackets, such as [2001:4860::1]:443")
    return _named(host.lower().removesuffix("."), port)


def _named(host: str, port: int) -> Endpoint:
    is_wildcard = host.startswith("*.")
    labels = host.removeprefix("*.").split(".")
    if len(host) > _MAX_HOST_CHARS or not all(map(_is_label, labels)):
        raise ValueError(
            "that is no host name; a name in other letters is written as it stands in the DNS (xn--...)"
        )
    if _is_number(labels[-1]):
        # What looks like a number is read as an address by some, in ways of their own (0x7f.1).
        if is_wildcard:
            raise ValueError("a part of an address cannot be left open")
        return Endpoint(str(IPv4Address(host)), port, is_address=True)
    if is_wildcard:
        return Endpoint(host[1:], port, is_address=False)
    return Endpoint(host, port, is_address=host == LOCALHOST)


def _is_label(label: str) -> bool:
    return 0 < len(label) <= _MAX_LABEL_CHARS and _LABEL_CHARACTERS.issuperset(label)


def _is_number(label: str) -> bool:
    return label.isdigit() or (label.startswith("0x") and frozenset("0123456789abcdef").issuperset(label[2:]))
