"""Which requirements of a script block an interpreter does not meet.

It is a check before a play, not a resolver: what cannot be read counts as not met, what cannot be
evaluated in a marker counts as true, extras are ignored, and of a direct URL only the presence of the
distribution is asked.

Sources: PEP 508 for requirements and markers, PEP 440 for versions.
"""

from __future__ import annotations

import re  # no cost: a script block has been read with tomllib, which has imported it
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from hero_logic.core.script_metadata import ScriptMetadata

MAX_MARKER_DEPTH = 50

_VERSION = re.compile(
    r"""v?
    (?:(?P<epoch>[0-9]{1,18})!)?
    (?P<release>[0-9]{1,18}(?:\.[0-9]{1,18})*)
    (?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|rc|c)[-_.]?(?P<pre_number>[0-9]{0,18}))?
    (?P<post>-(?P<bare_post>[0-9]{1,18})|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>[0-9]{0,18}))?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_number>[0-9]{0,18}))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?""",
    re.VERBOSE,
)
_PRE_LETTERS = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_SPECIFIER = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*([^\s,;()]+)\s*")
_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?P<rest>.*)", re.DOTALL
)
_MARKER_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'[^']*'|"[^"]*")|(?P<operator>===|==|~=|!=|<=|>=|<|>|\(|\))|(?P<word>[a-z_.]+))\s*"""
)
_PLATFORM_SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}


class _Unreadable(Exception):
    """Something is not written as its standard says."""


class Version:
    """One version, ordered as PEP 440 has it; without a local part unless asked."""

    __slots__ = ("dev", "epoch", "local", "post", "pre", "release")

    def __init__(self, text: str) -> None:
        found = _VERSION.fullmatch(text.strip().lower())
        if not found:
            raise _Unreadable(f"{text!r} is no version")
        self.epoch = int(found["epoch"] or 0)
        self.release = tuple(int(part) for part in found["release"].split("."))
        self.pre = (
            (_PRE_LETTERS.get(found["pre"], found["pre"]), int(found["pre_number"] or 0))
            if found["pre"]
            else None
        )
        self.post = int(found["bare_post"] or found["post_number"] or 0) if found["post"] else None
        self.dev = int(found["dev_number"] or 0) if found["dev"] else None
        self.local = tuple(re.split("[-_.]", found["local"])) if found["local"] else ()

    @property
    def is_prerelease(self) -> bool:
        """Whether it is before the release that it names."""
        return self.pre is not None or self.dev is not None

    def base(self) -> tuple[int, tuple[int, ...]]:
        """Give the epoch and the release, zeros at its end left out."""
        release = self.release
        while release and release[-1] == 0:
            release = release[:-1]
        return self.epoch, release

    def public_key(self) -> tuple[object, ...]:
        """Give what orders it among versions without a local part: dev, pre, the release, post."""
        if self.pre is not None:
            pre = (0, *self.pre)
        else:
            pre = (-1, "", 0) if self.dev is not None and self.post is None else (1, "", 0)
        post = -1 if self.post is None else self.post
        return *self.base(), pre, post, (1, 0) if self.dev is None else (0, self.dev)

    def key(self) -> tuple[object, ...]:
        """Give what orders it among all versions: in a local part, numbers come after words."""
        return *self.public_key(), tuple((1, int(s), "") if s.isdigit() else (0, 0, s) for s in self.local)


def satisfies(version: str, specifiers: str) -> bool:
    """Whether a version is within all of the specifiers; pre-releases count like any other version.

    >>> satisfies("3.11.4", ">=3.10, <4, !=3.11.2"), satisfies("2.0", "~=1.4")
    (True, False)

    Raises:
        ValueError: the specifiers are not written as PEP 440 says.
    """
    try:
        pairs = _read_specifiers(specifiers)
        return all(_within(version, operator, wanted) for operator, wanted in pairs)
    except _Unreadable as error:
        raise ValueError(str(error)) from error


def _read_specifiers(text: str) -> list[tuple[str, str]]:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    pairs: list[tuple[str, str]] = []
    for part in text.split(",") if text else []:
        if not part.strip():
            continue
        found = _SPECIFIER.fullmatch(part)
        if not found:
            raise _Unreadable(f"{part.strip()!r} is no version specifier")
        pairs.append((found[1], found[2]))
    return pairs


def _within(text: str, operator: str, wanted_text: str) -> bool:
    if operator == "===":
        return text.strip().lower() == wanted_text.lower()
    if wanted_text.endswith(".*"):
        return _within_series(_installed(text), operator, Version(wanted_text[:-2]))
    wanted = Version(wanted_text)
    version = _installed(text)
    if wanted.local and operator not in ("==", "!="):
        raise _Unreadable(f"{operator}{wanted_text}: a local version has no order to compare by")
    if operator == "~=":
        return _compatible(version, wanted)
    if version is None:
        return operator == "!="
    if operator in ("==", "!="):
        same = version.key() == wanted.key() if wanted.local else version.public_key() == wanted.public_key()
        return same is (operator == "==")
    return _ordered(version, operator, wanted)


def _installed(text: str) -> Version | None:
    """Read a version that is there; None for one that follows no standard, which nothing but != is met by."""
    try:
        return Version(text)
    except _Unreadable:
        return None


def _within_series(version: Version | None, operator: str, wanted: Version) -> bool:
    """Answer ``==3.11.*`` and ``!=3.11.*``."""
    if operator not in ("==", "!=") or wanted.is_prerelease or wanted.post is not None or wanted.local:
        raise _Unreadable(f"{operator} does not go with such a wildcard")
    length = len(wanted.release)
    within = version is not None and (version.epoch, _padded(version, length)) == (
        wanted.epoch,
        wanted.release,
    )
    return within is (operator == "==")


def _padded(version: Version, length: int) -> tuple[int, ...]:
    return (version.release + (0,) * length)[:length]


def _compatible(version: Version | None, wanted: Version) -> bool:
    """Answer ``~=1.4.2``, which is ``>=1.4.2, ==1.4.*``."""
    length = len(wanted.release) - 1
    if not length:
        raise _Unreadable("~= needs at least two numbers, such as ~=1.4")
    return (
        version is not None
        and version.public_key() >= wanted.public_key()
        and (version.epoch, _padded(version, length)) == (wanted.epoch, wanted.release[:length])
    )


def _ordered(version: Version, operator: str, wanted: Version) -> bool:
    if operator == ">=":
        return version.public_key() >= wanted.public_key()
    if operator == "<=":
        return version.public_key() <= wanted.public_key()
    if operator == "<":
        return version.public_key() < wanted.public_key() and not _is_prerelease_of(wanted, version)
    return version.public_key() > wanted.public_key() and not _is_postrelease_of(wanted, version)


def _is_prerelease_of(wanted: Version, version: Version) -> bool:
    """Whether this is what ``<2.0`` does not mean: 2.0rc1 is before it, but of it."""
    if wanted.is_prerelease or not version.is_prerelease or version.base() != wanted.base():
        return False
    return wanted.post is None or (version.pre is None and version.post == wanted.post)


def _is_postrelease_of(wanted: Version, version: Version) -> bool:
    """Whether this is what ``>2.0`` does not mean: 2.0.post1 is after it, but of it."""
    if wanted.post is not None or wanted.dev is not None or version.post is None:
        return False
    return (version.base(), version.pre) == (wanted.base(), wanted.pre)


def unmet(
    metadata: ScriptMetadata,
    python_version: tuple[int, int, int],
    installed: Mapping[str, str],
    *,
    platform: str = sys.platform,
) -> list[str]:
    """Say which requirements are not met.

    Args:
        metadata: what the script block asks for.
        python_version: of the interpreter that is to run the flow.
        installed: normalized name -> version of the distributions that it sees.
        platform: the interpreter's ``sys.platform``.

    Returns:
        Each requirement as it is written, with the reason; empty where all are met.

    >>> from hero_logic.core.script_metadata import ScriptMetadata
    >>> unmet(ScriptMetadata(">=3.11", ["rich>=14", "attrs"]), (3, 11, 4), {"rich": "13.7.0"})
    ['rich>=14 (13.7.0 is installed)', 'attrs (not installed)']
    """
    python = ".".join(map(str, python_version))
    problems: list[str] = []
    try:
        if not satisfies(python, metadata.requires_python):
            problems.append(f"Python {metadata.requires_python} (this is {python})")
    except ValueError as error:
        problems.append(f"Python {metadata.requires_python} (it cannot be read: {error})")
    environment = _environment(python_version, platform)
    for requirement in metadata.dependencies:
        try:
            reason = _reason_unmet(requirement, environment, installed)
        except (_Unreadable, ValueError) as error:
            reason = f"it cannot be read: {error}"
        if reason:
            problems.append(f"{requirement} ({reason})")
    return problems


def normalized_name(name: str) -> str:
    """Give the name of a distribution as it is compared.

    >>> normalized_name("Foo._Bar")
    'foo-bar'
    """
    return re.sub("[-_.]+", "-", name).lower()


def _reason_unmet(requirement: str, environment: Mapping[str, str], installed: Mapping[str, str]) -> str:
    found = _REQUIREMENT.fullmatch(requirement)
    if not found:
        raise _Unreadable("it starts with no name")
    rest = found["rest"]
    is_url = rest.startswith("@")
    # A semicolon may be a part of a URL: there, a marker is told by the space before it.
    wanted, _, marker = re.sub(r"\s;", "\0", rest).partition("\0") if is_url else rest.partition(";")
    pairs = [] if is_url else _read_specifiers(wanted)
    if _applies(marker, environment) is False:
        return ""
    version = installed.get(normalized_name(found["name"]))
    if version is None:
        return "not installed"
    if all(_within(version, operator, text) for operator, text in pairs):
        return ""
    return f"{version} is installed"


def _environment(python_version: tuple[int, int, int], platform: str) -> dict[str, str]:
    return {
        "python_version": f"{python_version[0]}.{python_version[1]}",
        "python_full_version": ".".join(map(str, python_version)),
        "sys_platform": platform,
        "platform_system": _PLATFORM_SYSTEMS.get(platform, ""),
        "os_name": "nt" if platform == "win32" else "posix",
    }


def _applies(marker: str, environment: Mapping[str, str]) -> bool | None:
    """Evaluate a marker; None where it cannot be told."""
    if not marker.strip():
        return True
    try:
        return _Marker(marker, environment).value()
    except _Unreadable:
        return None


class _Marker:
    """A marker being read from left to right; a value of None is "cannot be told"."""

    __slots__ = ("at", "environment", "tokens")

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        self.tokens = _marker_tokens(text)
        self.environment = environment
        self.at = 0

    def value(self) -> bool | None:
        """Give the whole marker's value."""
        result = self._any(0)
        if self.at < len(self.tokens):
            raise _Unreadable(f"{self.tokens[self.at]!r} is more than a marker")
        return result

    def _next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def _take(self, token: str) -> bool:
        taken = self.at < len(self.tokens) and self.tokens[self.at] == token
        self.at += taken
        return taken

    def _any(self, depth: int) -> bool | None:
        values = [self._all(depth)]
        while self._take("or"):
            values.append(self._all(depth))
        return True if True in values else None if None in values else False

    def _all(self, depth: int) -> bool | None:
        values = [self._one(depth)]
        while self._take("and"):
            values.append(self._one(depth))
        return False if False in values else None if None in values else True

    def _one(self, depth: int) -> bool | None:
        if depth > MAX_MARKER_DEPTH:
            raise _Unreadable("a marker nested too deeply")
        if self._take("("):
            value = self._any(depth + 1)
            if not self._take(")"):
                raise _Unreadable("a bracket of a marker is not closed")
            return value
        left, operator = self._next(), self._next()
        if operator == "not":
            operator = f"not {self._next()}"
        return self._compared(left, operator, self._next())

    def _compared(self, left: str, operator: str, right: str) -> bool | None:
        one, other = self._text(left), self._text(right)
        if one is None or other is None:
            return None
        if operator in ("in", "not in"):
            return (one in other) is (operator == "in")
        if {left, right} & {"python_version", "python_full_version"}:
            return _within(one, operator, other)
        if operator in ("==", "!="):
            return (one == other) is (operator == "==")
        return None

    def _text(self, token: str) -> str | None:
        if token[:1] in ("'", '"'):
            return token[1:-1]
        return self.environment.get(token)


def _marker_tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _MARKER_TOKEN.match(text, at)
        if not found:
            raise _Unreadable(f"{text[at : at + 20]!r} is no part of a marker")
        tokens.append(found["string"] or found["operator"] or found["word"])
        at = found.end()
    return tokens
