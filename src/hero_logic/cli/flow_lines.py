"""What is printed of flows of the library: lines (tree.py), as report.py has them for plays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hero_logic.cli.report import started
from hero_logic.cli.tables import table_lines
from hero_logic.cli.tree import Glyphs, Line, clean, fit, glyphs_for, wrap
from hero_logic.core.input_types import shown
from hero_logic.core.library import Flow, FlowDetails, PublishedVersion

VERSION_CHARS = 8
"""As many characters of a version's sid are shown: enough to name it."""
_DESCRIPTION = 4
_MAX_DESCRIPTION_LINES = 20
_MAX_PROBLEMS = 20
_MAX_INPUTS = 50


def table(flows: list[Flow], *, now_ms: float, width: int, ascii_only: bool = False) -> list[Line]:
    """Flows as a table, in the order given; columns that do not fit are left out from the right."""
    glyphs = glyphs_for(ascii_only=ascii_only)
    rows: list[list[tuple[str, str]]] = [
        [(title, "dim") for title in ("name", "version", "of", "published", "description")]
    ]
    for flow in flows:
        tags = "".join(f" #{tag}" for tag in flow.tags)
        about = clean((flow.description.partition("\n")[0] + tags).strip(), glyphs)
        mark = " (legacy)" if flow.kind != "python" else ""
        rows.append(
            [
                (clean(flow.name + mark, glyphs), "head"),
                (flow.version_sid[:VERSION_CHARS], "name"),
                (str(flow.versions), "dim"),
                (started(flow.published_ms, now_ms), "dim"),
                (about, "name"),
            ]
        )
    return table_lines(rows, flexible=_DESCRIPTION, right_aligned={2}, width=width, glyphs=glyphs)


def versions_table(
    versions: list[PublishedVersion], *, now_ms: float, width: int, ascii_only: bool = False
) -> list[Line]:
    """Versions as a table, in the order given."""
    glyphs = glyphs_for(ascii_only=ascii_only)
    rows: list[list[tuple[str, str]]] = [
        [(title, "dim") for title in ("version", "number", "bytes", "since", "")]
    ]
    rows += [
        [
            (version.version_sid, "name"),
            (str(version.number), "dim"),
            (f"{version.source_bytes:,}", "dim"),
            (started(version.created_ms, now_ms), "dim"),
            ("current" if version.is_current else "", "ok"),
        ]
        for version in versions
    ]
    return table_lines(rows, flexible=0, right_aligned={1, 2}, width=width, glyphs=glyphs)


def flow_lines(
    details: FlowDetails,
    versions: list[PublishedVersion],
    *,
    plays: int,
    width: int,
    ascii_only: bool = False,
) -> list[Line]:
    """A flow as it stands: what it says of itself, what it takes and asks for, its versions.

    Args:
        details: of the version that is shown.
        versions: the last of them.
        plays: how many ran a version of it.
        width: cells of a line.
        ascii_only: see :func:`hero_logic.cli.tree.render`.
    """
    glyphs = glyphs_for(ascii_only=ascii_only)
    state = [details.flow_sid, f"version {details.version_sid[:VERSION_CHARS]}", f"{plays:,} plays"]
    state += ["archived"] * details.is_archived + [details.kind] * (details.kind != "python")
    lines: list[Line] = [
        [
            (clean(details.name, glyphs), "head"),
            *((f"{glyphs.between}{part}", "dim") for part in state),
        ]
    ]
    if details.tags:
        lines.append([("  tags  ", "dim"), (clean(", ".join(details.tags), glyphs), "name")])
    for text in details.description.split("\n")[:_MAX_DESCRIPTION_LINES]:
        lines += [[("  ", ""), (part, "name")] for part in wrap(clean(text, glyphs), width - 2)]
    lines += _input_lines(details, glyphs)
    for kind, entries in details.needs.items():
        lines.append([(f"  asks to {kind}  ", "dim"), (clean(", ".join(entries), glyphs), "name")])
    lines += _version_lines(details, versions, glyphs)
    for problem in details.problems[:_MAX_PROBLEMS]:
        where = f"{problem.line}:{problem.column}: "
        lines.append([("  ", ""), (where, "dim"), (clean(problem.message, glyphs), "warn")])
    return [fit(line, width, glyphs) for line in lines]


def _input_lines(details: FlowDetails, glyphs: Glyphs) -> Iterator[Line]:
    schema = details.inputs or {}
    properties: dict[str, Any] = schema.get("properties", {})
    if not properties:
        return
    yield []
    yield [("  inputs", "dim")]
    required = schema.get("required", [])
    for name, one in list(properties.items())[:_MAX_INPUTS]:
        default = f" = {shown(one['default'])}" if "default" in one else ""
        must = " (required)" if name in required else default
        about = f" - {' '.join(one['description'].split())}" if "description" in one else ""
        yield [("    ", ""), (clean(f"{name}: {type_text(one)}{must}{about}", glyphs), "name")]
    if len(properties) > _MAX_INPUTS:
        yield [(f"    and {len(properties) - _MAX_INPUTS} more", "dim")]


def _version_lines(details: FlowDetails, versions: list[PublishedVersion], glyphs: Glyphs) -> Iterator[Line]:
    yield []
    yield [(f"  versions ({details.versions})", "dim")]
    for version in versions:
        current = " current" if version.is_current else ""
        text = f"    {version.number}  {version.version_sid[:VERSION_CHARS]}  {version.source_bytes:,} bytes"
        yield [(text, "name"), (current, "ok")]
    if details.versions > len(versions):
        yield [(f"    and {details.versions - len(versions)} before them", "dim")]


def type_text(schema: Any) -> str:  # noqa: ANN401  # a JSON Schema of ours
    """A schema in a few words.

    >>> type_text({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]})
    'array of integer | null'
    """
    if not isinstance(schema, dict):
        return "any"
    if "anyOf" in schema:
        return " | ".join(map(type_text, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(shown, schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    kind = str(schema.get("type", "any"))
    for key, of in (("items", "of"), ("additionalProperties", "of")):
        if isinstance(schema.get(key), dict):
            return f"{kind} {of} {type_text(schema[key])}"
    return kind
