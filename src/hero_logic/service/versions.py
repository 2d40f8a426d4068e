"""What a version of a flow is known by."""

from __future__ import annotations


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
