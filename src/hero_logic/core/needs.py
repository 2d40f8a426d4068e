"""What a flow asks for beyond its own directory: ``@flow(needs={...})``, a request and never a grant.

It is read from the syntax tree like all that is known of a flow before it runs, so only what is written out
counts. What is in it ends up in messages and in flags that an operator pastes: text with anything that does
not print is refused.

Source: docs/grants.md, "What a flow asks for".
"""

from __future__ import annotations

from hero_logic.core.errors import BadFlowFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("read", "write", "net", "rpc", "env")
_MAX_ENTRIES = 200
_MAX_CHARS = 4096
_MAX_NAME_CHARS = 128
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Needs:
    """What a flow asks for, as it is written, each entry once.

    Attributes:
        read: paths of files and directories.
        write: the same; what may be written may be read.
        net: ``HOST:PORT`` or ``*.SUFFIX:PORT``.
        rpc: names of services.
        env: names of variables.
    """

    __slots__ = KINDS

    def __init__(
        self,
        *,
        read: tuple[str, ...] = (),
        write: tuple[str, ...] = (),
        net: tuple[str, ...] = (),
        rpc: tuple[str, ...] = (),
        env: tuple[str, ...] = (),
    ) -> None:
        self.read = read
        self.write = write
        self.net = net
        self.rpc = rpc
        self.env = env

    def of(self, kind: str) -> tuple[str, ...]:
        """The entries of one of :data:`KINDS`."""
        entries: tuple[str, ...] = getattr(self, kind)
        return entries


def read_needs(value: object, place: str) -> Needs:
    """Check what stands behind ``needs=``.

    Args:
        value: the literal's value; what is no literal is for the caller to refuse.
        place: the file and the line, for messages.

    Raises:
        BadFlowFile: it is not what a flow can ask for.

    >>> read_needs({"read": ["data.csv"]}, "f.py:1").read
    ('data.csv',)
    """
    if not isinstance(value, dict):
        raise BadFlowFile(f"{place}: needs= is {value!r:.60}; it is a dict. {_EXAMPLE}")
    unknown = [key for key in value if key not in KINDS]
    if unknown:
        raise BadFlowFile(
            f"{place}: needs= asks for {unknown[0]!r:.60}; a flow can ask for {', '.join(KINDS)}."
        )
    return Needs(**{kind: _entries(kind, value[kind], place) for kind in KINDS if kind in value})


_EXAMPLE = 'For example: needs={"read": ["data.csv"], "net": ["api.example.com:443"]}.'


def _entries(kind: str, value: object, place: str) -> tuple[str, ...]:
    where = f'{place}: needs["{kind}"]'
    if not isinstance(value, (list, tuple)):
        raise BadFlowFile(f"{where} is {value!r:.60}; it is a list of texts. {_EXAMPLE}")
    if len(value) > _MAX_ENTRIES:
        raise BadFlowFile(f"{where} has {len(value)} entries; {_MAX_ENTRIES} is the most.")
    for entry in value:
        problem = _CHECKS[kind](entry) if isinstance(entry, str) else "that is no text"
        if problem:
            raise BadFlowFile(f"{where}: {entry!r:.200}: {problem}.")
    return tuple(dict.fromkeys(value))


def path_problem(path: str) -> str:
    """Why a text can be no path that is granted; "" where it can.

    >>> path_problem("data.csv"), path_problem("")
    ('', 'a path is needed')
    """
    if not path:
        return "a path is needed"
    if len(path) > _MAX_CHARS:
        return f"a path has at most {_MAX_CHARS} characters"
    if not path.isprintable():
        return "a path with characters that do not print cannot be granted"
    return ""


def net_problem(endpoint: str) -> str:
    """Why a text is no ``HOST:PORT`` that can be granted; "" where it is one.

    >>> net_problem("api.example.com:443"), net_problem("169.254.169.254:80")[:41]
    ('', 'that is an address at which a cloud hands')
    """
    from hero_logic.core.addresses import literal_refusal, read_endpoint

    if not endpoint.isprintable() or len(endpoint) > _MAX_CHARS:
        return "that is no host and port"
    try:
        read = read_endpoint(endpoint)
    except ValueError as error:
        return str(error)
    why = literal_refusal(read.host) if read.is_address and not read.is_loopback else ""
    return f"that is {why}; it is never granted" if why else ""


def name_problem(name: str) -> str:
    """Why a text is no name of a service or a variable that can be granted; "" where it is one.

    >>> name_problem("API_KEY"), name_problem("A=B")
    ('', 'a name has letters, digits and _, and begins with none of the digits')
    """
    if not name or name[0].isdigit() or not _NAME_CHARACTERS.issuperset(name):
        return "a name has letters, digits and _, and begins with none of the digits"
    if len(name) > _MAX_NAME_CHARS:
        return f"a name has at most {_MAX_NAME_CHARS} characters"
    return ""


_CHECKS: dict[str, Callable[[str], str]] = {
    "read": path_problem,
    "write": path_problem,
    "net": net_problem,
    "rpc": name_problem,
    "env": name_problem,
}
