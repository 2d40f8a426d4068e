"""Inline script metadata: the ``# /// script`` block that says what a flow needs.

Source: PEP 723, and the page "Inline script metadata" of the Python packaging specifications.
"""

from __future__ import annotations

from hero_logic.core.errors import BadFlowFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENING = "# /// "
_CLOSING = "# ///"


class ScriptMetadata:
    """What a script block asks for; ``unmet`` in core/requirements.py holds it against an interpreter.

    Attributes:
        requires_python: version specifiers, "" where any Python will do.
        dependencies: requirements as PEP 508 writes them.
    """

    __slots__ = ("dependencies", "requires_python")

    def __init__(self, requires_python: str = "", dependencies: list[str] | None = None) -> None:
        self.requires_python = requires_python
        self.dependencies = dependencies or []


def read_metadata(source: str, path: str) -> ScriptMetadata | None:
    r"""Read the script block of a source; None where it has none.

    Raises:
        BadFlowFile: two script blocks, not TOML, or values of the wrong type.

    >>> read_metadata('# /// script\n# dependencies = ["rich"]\n# ///\n', "f.py").dependencies
    ['rich']
    """
    if "# /// script" not in source:
        return None
    found = [(line, content) for line, kind, content in _blocks(source) if kind == "script"]
    if not found:
        return None
    if len(found) > 1:
        raise BadFlowFile(
            f"{path}:{found[1][0]}:1: a second script block; the first is in line {found[0][0]}. "
            "Keep one of them."
        )
    line, content = found[0]
    return _read_block(content, f"{path}:{line}:1")


def _read_block(content: str, place: str) -> ScriptMetadata:
    import tomllib  # here, because few flows have a block, and it costs 5 ms

    try:
        table = tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise BadFlowFile(
            f"{place}: the script block is not TOML: {reason} (lines count from the one after # /// script). "
            "Correct it, or remove the block."
        ) from error
    requires_python = table.get("requires-python", "")
    if not isinstance(requires_python, str):
        raise BadFlowFile(f'{place}: requires-python is to be text, such as ">=3.11".')
    dependencies = table.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise BadFlowFile(f'{place}: dependencies is to be a list of text, such as ["rich>=13"].')
    return ScriptMetadata(requires_python, dependencies)


def _blocks(source: str) -> Iterator[tuple[int, str, str]]:
    """Give (line number, type, content) of each block.

    A block lies within one run of comment lines, from the first opening line to the last closing line of
    that run, for a closing line that content follows is content itself. So a run has at most one block,
    and the time is linear.
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            end += 1
        block = _block_of_run(lines, start, end)
        if block:
            yield block
        start = end + 1


def _block_of_run(lines: list[str], start: int, end: int) -> tuple[int, str, str] | None:
    closing = end - 1
    while closing > start and lines[closing] != _CLOSING:
        closing -= 1
    # A block without a line of content is none: its closing line would be taken for content.
    for opening in range(start, closing - 1):
        kind = _opened_type(lines[opening])
        if kind:
            content = "\n".join(line[2:] for line in lines[opening + 1 : closing])
            return opening + 1, kind, content
    return None


def _opened_type(line: str) -> str:
    kind = line.removeprefix(_OPENING)
    plain = kind.replace("-", "")
    is_type = kind != line and kind.isascii() and (plain.isalnum() if plain else bool(kind))
    return kind if is_type else ""
