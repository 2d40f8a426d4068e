"""Attempts at the network, and at sockets of the host's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.escapes import OWN_USER, Attempt, Ground, by_what_is_touched, cases, check

GroundOf = Callable[[str], Ground]

FAMILIES = {
    # name: (arguments of socket, whose only)
    "raw": ("socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP", (OWN_USER,)),
    "packets": ("socket.AF_PACKET, socket.SOCK_RAW, 0x0300", (OWN_USER,)),
    "ping": ("socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP", None),
    "netlink-routes": ("socket.AF_NETLINK, socket.SOCK_RAW, 0", None),
    "netlink-audit": ("socket.AF_NETLINK, socket.SOCK_RAW, 9", None),
    "netlink-events": ("socket.AF_NETLINK, socket.SOCK_DGRAM, 15", None),
    "vsock": ("socket.AF_VSOCK, socket.SOCK_STREAM", None),
    "mptcp": ("socket.AF_INET, socket.SOCK_STREAM, 262", None),
    "mptcp-6": ("socket.AF_INET6, socket.SOCK_STREAM, 262", None),
    "sctp": ("socket.AF_INET, socket.SOCK_STREAM, 132", None),
    "dccp": ("socket.AF_INET, 6, 33", None),
    "udp-lite": ("socket.AF_INET, socket.SOCK_DGRAM, 136", None),
    "l2tp": ("socket.AF_INET, socket.SOCK_DGRAM, 115", None),
    "crypto": ("38, socket.SOCK_SEQPACKET, 0", None),
    "tipc": ("30, socket.SOCK_SEQPACKET, 0", None),
    "bluetooth": ("31, socket.SOCK_RAW, 1", None),
    "can": ("29, socket.SOCK_RAW, 1", None),
    "keys": ("15, socket.SOCK_RAW, 2", (OWN_USER,)),
    "xdp": ("44, socket.SOCK_RAW, 0", (OWN_USER,)),
}
"""Kinds of sockets that a play has no use for: each is a part of the kernel, and some have no namespace."""

SOCKETS = [
    Attempt(
        name,
        f"return socket.socket({arguments})",
        in_sample=name in ("netlink-routes", "vsock", "mptcp"),
        **({} if users is None else {"users": users}),  # type: ignore[arg-type]  # the default, or this
    )
    for name, (arguments, users) in FAMILIES.items()
] + [
    Attempt("pair-of-another-family", "return socket.socketpair(30, socket.SOCK_STREAM)"),
]

REACHES = [
    Attempt(
        "tcp",
        "return socket.create_connection(('127.0.0.1', plants['tcp']), 2)",
        in_sample=True,
    ),
    Attempt(
        "tcp-6",
        "return socket.create_connection(('::ffff:127.0.0.1', plants['tcp']), 2)",
    ),
    Attempt(
        "tcp-without-waiting",
        """
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(('127.0.0.1', plants['tcp']))
        pause(0.1)
        client.send(b'x')
        return True
        """,
    ),
    Attempt(
        "tcp-fast-open",
        "return socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', plants['tcp']))",
        in_sample=True,
    ),
    Attempt(
        "udp",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', plants['udp']))",
        through=by_what_is_touched,
        in_sample=True,
    ),
    Attempt(
        "udp-connected",
        """
        client = socket.socket(type=socket.SOCK_DGRAM)
        client.connect(('127.0.0.1', plants['udp']))
        client.send(b'x')
        """,
        through=by_what_is_touched,
    ),
    Attempt(
        "udp-by-a-broadcast",
        """
        client = socket.socket(type=socket.SOCK_DGRAM)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.sendto(b'x', ('127.255.255.255', plants['udp']))
        client.sendto(b'x', ('127.0.0.1', plants['udp']))
        """,
        through=by_what_is_touched,
    ),
    Attempt(
        "interfaces",
        "return [name for _, name in socket.if_nameindex() if name != 'lo']",
    ),
    Attempt(
        "interfaces-in-proc",
        "return [line for line in open('/proc/self/net/dev').readlines()[2:] if 'lo:' not in line]",
    ),
    Attempt(
        "interfaces-of-what-was-handed-in",
        """
        import fcntl
        # Without isolation there is the gate alone, which is a socket of the host's as well.
        for number in (3, 5):
            try:
                return [fcntl.ioctl(number, 0x8910, struct.pack('16si20x', b'', at)) for at in (1, 2)]
            except OSError as error:
                if number == 5:
                    raise
        """,
        in_sample=True,
    ),
    Attempt(
        "addresses-of-what-was-handed-in",
        """
        import fcntl
        into = ctypes.create_string_buffer(4096)
        asked = struct.pack('iP', 4096, ctypes.addressof(into))
        size = struct.unpack('iP', fcntl.ioctl(3, 0x8912, asked))[0]
        return size > 40
        """,
    ),
    Attempt(
        "network-of-what-was-handed-in",
        "import fcntl\nreturn fcntl.ioctl(3, 0x894C)",
        users=(OWN_USER,),
    ),
    Attempt(
        "connections-in-proc",
        "return f':{plants[\"tcp\"]:04X} ' in open('/proc/self/net/tcp').read()",
        in_sample=True,
    ),
    Attempt(
        "connections-of-a-thread-in-proc",
        "return f':{plants[\"tcp\"]:04X} ' in open(f'/proc/self/task/{os.getpid()}/net/tcp').read()",
    ),
]

UNIX = [
    Attempt(
        "stream",
        "socket.socket(socket.AF_UNIX).connect(plants['unix_stream']); return True",
        in_sample=True,
    ),
    Attempt(
        "stream-through-a-link",
        """
        os.symlink(plants['unix_stream'], 'link')
        socket.socket(socket.AF_UNIX).connect('link')
        return True
        """,
    ),
    Attempt(
        "stream-through-proc",
        "socket.socket(socket.AF_UNIX).connect('/proc/self/root' + plants['unix_stream']); return True",
    ),
    Attempt(
        "datagram",
        "return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', plants['unix_datagram'])",
    ),
    Attempt(
        "abstract-stream",
        "socket.socket(socket.AF_UNIX).connect('\\0' + plants['abstract_stream']); return True",
        in_sample=True,
    ),
    Attempt(
        "abstract-datagram",
        """
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        return client.sendto(b'x', '\\0' + plants['abstract_datagram'])
        """,
    ),
    Attempt(
        "pair-aimed-anew",
        "return socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', plants['unix_datagram'])",
        in_sample=True,
    ),
    Attempt(
        "pair-aimed-anew-at-an-abstract-name",
        """
        one, other = socket.socketpair(type=socket.SOCK_DGRAM)
        return one.sendmsg([b'x'], [], 0, '\\0' + plants['abstract_datagram'])
        """,
    ),
    Attempt(
        "span-channel-aimed-anew",
        """
        number = int(os.environ.get('HERO_FLOW_SPAN_FD', '-1'))
        channel = socket.socket(fileno=number) if number >= 0 else socket.socket(socket.AF_UNIX)
        channel.connect(plants['unix_stream'])
        return True
        """,
    ),
    Attempt(
        "gate-aimed-anew",
        """
        gate = socket.socket(fileno=3)
        try:
            return gate.sendto(b'', plants['unix_stream']) is None
        except OSError:
            socket.socket(socket.AF_UNIX).connect(plants['unix_stream'])
            return True
        """,
    ),
    Attempt(
        "name-of-the-host",
        """
        server = socket.socket(socket.AF_UNIX)
        server.bind('\\0' + plants['abstract_stream'] + '-mine')
        names = open('/proc/net/unix').read()
        return plants['abstract_stream'] in names.replace(plants['abstract_stream'] + '-mine', '')
        """,
    ),
    Attempt(
        "span-socket-of-another-play",
        """
        client = socket.socket(socket.AF_UNIX)
        client.connect(plants['other_socket'])
        event = {'type': 'span_start', 'span_id': 'x', 'name': plants['secret']}
        client.sendall(json.dumps(event).encode() + b'\\n')
        return True
        """,
        in_sample=True,
    ),
    Attempt(
        "own-span-socket-by-its-path",
        """
        other, own = os.path.basename(plants['other_play']), os.environ['HERO_FLOW_PLAY_SID']
        path = plants['other_socket'].replace(other, own)
        socket.socket(socket.AF_UNIX).connect(path)
        return True
        """,
    ),
]


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(SOCKETS))
def test_no_socket_of_another_kind_can_be_made(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """Unix sockets, TCP and UDP where they lead nowhere; nothing raw, to the kernel, or exotic."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(REACHES))
def test_the_network_is_out_of_reach(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """No port of the host's hears anything, however it is spoken to, and who listens there is not told."""
    check(ground_of(user), isolation, attempt)


@pytest.mark.parametrize(("user", "isolation", "attempt"), cases(UNIX))
def test_unix_sockets_of_the_host_are_out_of_reach(
    ground_of: GroundOf, user: str, isolation: str, attempt: Attempt
) -> None:
    """By path or by abstract name, as a stream or by a datagram; those of other plays neither."""
    check(ground_of(user), isolation, attempt)
