"""What a version of a flow is known by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hero_logic.core.records import FlowVersion, PlayOrder


def content_sid(source: str) -> str:
    """The name of a version: the first 32 hexadecimal digits of the SHA-256 of its text in UTF-8.

    >>> content_sid("pass")
    'd74ff0ee8da3b9806b18c877dbf29bbd'
    """
    try:
        # hashlib loads all of OpenSSL's digests for the one that is wanted: 4 ms of every run.
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256
    digest: str = sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    return digest[:32]


def as_ordered(version: FlowVersion, order: PlayOrder) -> FlowVersion:
    """A version as a play asked for it.

    The same text may have come from several files and be published too: whatever was seen of it first, a
    play is of the file or of the published name that it was asked for by.
    """
    from msgspec.structs import replace

    if order.published_name:
        return replace(version, flow_name=order.published_name, path="")
    return replace(version, path=order.path) if order.path else version
