"""Classes of a flow's own file as types: enumerations and dataclasses, read from their source.

1. What is given is JSON: a member of an enumeration by its value, or by its name where not all values are
   plain; a dataclass as an object of its fields. The play makes members and instances of it, by what
   :func:`makings` says: the flow gets what it declares.
2. What is not known for certain is ``any``: a class with an ``__init__`` of its own, with a base or a
   decorator that is not known, or whose body does more than say fields or members.
3. A dataclass may hold itself: each class is one type, which is asked again for each value inside of it.
"""

from __future__ import annotations

import _ast

from hero_logic.core.annotations import read_type
from hero_logic.core.docstrings import parameter_descriptions
from hero_logic.core.input_types import (
    ANY,
    Choice,
    DictOf,
    InputType,
    ListOf,
    OneOf,
    TupleOf,
    shown,
)
from hero_logic.core.syntax import NOT_LITERAL, docstring_of, dotted_name, literal_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hero_logic.core.input_types import LiteralValue, Problem

    Keys = tuple[str | int, ...]

MAX_BASES = 20
MAX_DEPTH = 32
"""Classes whose fields name classes whose fields ...: past this they read as ``any``."""

_ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum"})
_MIXINS = {"str": str, "int": int}
_PLAIN_DECORATORS = frozenset({"functools.total_ordering", "typing.final", "typing_extensions.final"})
_UNIQUE = "enum.unique"
_DATACLASS = "dataclasses.dataclass"
_PLAIN_BASES = frozenset({"object", "abc.ABC", "typing.Generic", "typing.Protocol"})


class Members(Choice):
    """A member of an enumeration, told by its value or by its name."""

    __slots__ = ("class_name", "is_by_name")

    def __init__(self, class_name: str, values: list[LiteralValue], *, is_by_name: bool) -> None:
        super().__init__(values)
        self.class_name = class_name
        self.is_by_name = is_by_name

    def describe(self) -> str:
        """Name the class and what its members are told by."""
        return super().describe().replace("Literal", self.class_name, 1)


class Field:
    """One field of a dataclass."""

    __slots__ = ("is_required", "name", "type")

    def __init__(self, name: str, kind: InputType, *, is_required: bool) -> None:
        self.name = name
        self.type = kind
        self.is_required = is_required


class Record(InputType):
    """An object with the fields of a dataclass."""

    __slots__ = ("about", "class_name", "fields")

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name
        self.fields: dict[str, Field] = {}
        self.about: dict[str, str] = {}
        """Descriptions of fields, as the docstring of the class has them."""

    def problem(self, value: object) -> Problem:
        """Take an object that has all required fields and no other names, each of its type."""
        if not isinstance(value, dict):
            return (), self, value
        if any(key not in self.fields for key in value) or self._missing(value):
            return (), self, value
        for name, item in value.items():
            problem = self.fields[name].type.problem(item)
            if problem:
                return (name, *problem[0]), *problem[1:]
        return None

    def refusal(self, value: object) -> str:
        """Name the fields that are missing, or that there are not."""
        if not isinstance(value, dict):
            return super().refusal(value)
        missing = self._missing(value)
        if missing:
            return f"{self.class_name} needs the field {missing[0]}"
        odd = next(key for key in value if key not in self.fields)
        return f"{self.class_name} has no field {shown(odd)}; it has {', '.join(self.fields) or 'none'}"

    def _missing(self, value: dict[object, object]) -> list[str]:
        return [field.name for field in self.fields.values() if field.is_required and field.name not in value]

    def converted(self, value: object) -> object:
        """Convert each field."""
        assert isinstance(value, dict)
        return {name: self.fields[name].type.converted(item) for name, item in value.items()}

    def describe(self) -> str:
        """Name the class."""
        return self.class_name

    def schema(self) -> dict[str, object]:
        """Refer to the definition, which :func:`definitions` gives."""
        name = self.class_name
        if not name.isascii():
            from urllib.parse import quote

            name = quote(name)
        return {"$ref": f"#/$defs/{name}"}

    def definition(self) -> dict[str, object]:
        """Describe an object with these fields and no others."""
        properties = {
            field.name: field.type.schema()
            | ({"description": self.about[field.name]} if field.name in self.about else {})
            for field in self.fields.values()
        }
        return {
            "type": "object",
            "properties": properties,
            "required": [field.name for field in self.fields.values() if field.is_required],
            "additionalProperties": False,
        }


class Classes:
    """The classes of a module; each is read when an annotation first names it."""

    def __init__(self, nodes: dict[str, _ast.ClassDef], names: dict[str, str]) -> None:
        self._nodes = nodes
        self._names = names
        self._types: dict[str, InputType] = {}
        self._read_fields: dict[str, dict[str, Field] | None] = {}
        self._depth = 0
        self.is_used = False
        """Whether some annotation names one that could be read."""

    def type_of(self, name: str) -> InputType:
        """The type that a class of the module is; ``any`` for one that cannot be read, or is not there."""
        if name not in self._types:
            if self._depth > MAX_DEPTH:
                return ANY
            self._depth += 1
            self._types[name] = self._read(name)
            self._depth -= 1
        self.is_used = self.is_used or self._types[name] is not ANY
        return self._types[name]

    def _read(self, name: str) -> InputType:
        node = self._nodes.get(name)
        if node is None or node.keywords or len(node.bases) > MAX_BASES:
            return ANY
        bases = [dotted_name(base, self._names) for base in node.bases]
        decorators = [_called(decorator, self._names) for decorator in node.decorator_list]
        if any(base in _ENUMS for base in bases):
            return _read_enumeration(node, bases, decorators, self._names)
        if _DATACLASS in decorators:
            record = self._types[name] = Record(name)  # before its fields are read: they may name it
            fields = self._fields(name, depth=0)
            if fields is not None:
                record.fields = fields
                record.about = parameter_descriptions(docstring_of(node))
                return record
        return ANY

    def _fields(self, name: str, depth: int) -> dict[str, Field] | None:
        """The fields of a dataclass, those of its bases first; None where they cannot be told."""
        if name not in self._read_fields:
            self._read_fields[name] = None  # for a class that is its own base
            self._read_fields[name] = self._fields_of(name, depth)
        return self._read_fields[name]

    def _fields_of(self, name: str, depth: int) -> dict[str, Field] | None:
        node = self._nodes.get(name)
        if node is None or depth > MAX_BASES or not _is_plain_dataclass(node, self._names):
            return None
        fields: dict[str, Field] = {}
        for base in reversed(node.bases):
            inherited = self._base_fields(base, depth)
            if inherited is None:
                return None
            fields |= inherited
        for statement in node.body:
            own = self._read_statement(statement)
            if own is None:
                return None
            fields |= own
        return fields

    def _base_fields(self, base: _ast.expr, depth: int) -> dict[str, Field] | None:
        subscripted = base.value if isinstance(base, _ast.Subscript) else base
        if dotted_name(subscripted, self._names) in _PLAIN_BASES:
            return {}
        return self._fields(base.id, depth + 1) if isinstance(base, _ast.Name) else None

    def _read_statement(self, statement: _ast.stmt) -> dict[str, Field] | None:
        """The field that a statement of a class's body makes, if any; None where that cannot be told."""
        if isinstance(statement, (_ast.FunctionDef, _ast.AsyncFunctionDef)):
            return None if statement.name in ("__init__", "__new__") else {}
        if isinstance(statement, _ast.AnnAssign):
            return self._read_field(statement)
        is_harmless = isinstance(statement, (_ast.Expr, _ast.Pass, _ast.Assign))
        return {} if is_harmless else None

    def _read_field(self, statement: _ast.AnnAssign) -> dict[str, Field] | None:
        if not isinstance(statement.target, _ast.Name):
            return {}
        name = statement.target.id
        annotation: _ast.expr = statement.annotation
        if isinstance(annotation, _ast.Constant):
            return None if "ClassVar" in str(annotation.value) else self._field(name, statement)
        outer = annotation.value if isinstance(annotation, _ast.Subscript) else annotation
        special = dotted_name(outer, self._names).rpartition(".")[2]
        if special in ("ClassVar", "KW_ONLY"):
            return {}
        if special == "InitVar" and isinstance(annotation, _ast.Subscript):
            return self._field(name, statement, annotation.slice)
        return self._field(name, statement)

    def _field(
        self, name: str, statement: _ast.AnnAssign, annotation: _ast.expr | None = None
    ) -> dict[str, Field] | None:
        default = statement.value
        is_required = default is None
        if isinstance(default, _ast.Call) and dotted_name(default.func, self._names) == "dataclasses.field":
            said = {keyword.arg: keyword.value for keyword in default.keywords}
            if None in said:
                return None
            is_made = literal_value(said["init"]) if "init" in said else True
            if is_made is not True:
                return {} if is_made is False else None
            is_required = "default" not in said and "default_factory" not in said
        kind = read_type(annotation or statement.annotation, self._names, classes=self)
        return {name: Field(name, kind, is_required=is_required)}


def _called(decorator: _ast.expr, names: dict[str, str]) -> str:
    return dotted_name(decorator.func if isinstance(decorator, _ast.Call) else decorator, names)


def _is_plain_dataclass(node: _ast.ClassDef, names: dict[str, str]) -> bool:
    """Whether nothing but ``@dataclass`` decides what a class is made of."""
    decorators = [_called(decorator, names) for decorator in node.decorator_list]
    if _DATACLASS not in decorators or not _PLAIN_DECORATORS.issuperset({*decorators} - {_DATACLASS}):
        return False
    said = [
        keyword
        for decorator in node.decorator_list
        if isinstance(decorator, _ast.Call)
        for keyword in decorator.keywords
    ]
    return not any(keyword.arg in ("init", None) for keyword in said)


def _read_enumeration(
    node: _ast.ClassDef, bases: list[str], decorators: list[str], names: dict[str, str]
) -> InputType:
    mixins = [_MIXINS[base] for base in bases if base in _MIXINS]
    if len(mixins) + 1 != len(bases) or not {_UNIQUE, *_PLAIN_DECORATORS}.issuperset(decorators):
        return ANY
    if "enum.IntEnum" in bases:
        mixins.append(int)
    if "enum.StrEnum" in bases:
        mixins.append(str)
    members = _read_members(node, names)
    if not members:
        return ANY
    values = list(members.values())
    if any(isinstance(value, bool) or not isinstance(value, (str, int)) for value in values):
        return Members(node.name, list(members), is_by_name=True)
    if any(not isinstance(value, mixin) for value in values for mixin in mixins):
        return ANY
    plain = [value for value in values if isinstance(value, (str, int))]
    return Members(node.name, list(dict.fromkeys(plain)), is_by_name=False)


def _read_members(node: _ast.ClassDef, names: dict[str, str]) -> dict[str, object]:
    """The members by name, each with its value or NOT_LITERAL; empty where they cannot be told."""
    members: dict[str, object] = {}
    for statement in node.body:
        if isinstance(statement, (_ast.Expr, _ast.Pass)):
            continue
        if isinstance(statement, (_ast.FunctionDef, _ast.AsyncFunctionDef)):
            if statement.name in ("__new__", "__init__", "_missing_", "_generate_next_value_"):
                return {}
            continue
        if isinstance(statement, _ast.AnnAssign) and statement.value is None:
            continue
        targets = _targets(statement)
        value = _member_value(statement, names)
        if targets is None or value is None:
            return {}
        members |= dict.fromkeys(targets, value)
    return members


def _targets(statement: _ast.stmt) -> list[str] | None:
    """The names that an assignment binds; None where they are none that a member can have."""
    found: list[_ast.expr] = []
    if isinstance(statement, _ast.Assign):
        found = statement.targets
    elif isinstance(statement, _ast.AnnAssign):
        found = [statement.target]
    plain = [target.id for target in found if isinstance(target, _ast.Name) and target.id[0] != "_"]
    return plain if plain and len(plain) == len(found) else None


def _member_value(statement: _ast.stmt, names: dict[str, str]) -> object:
    """The value of a member, NOT_LITERAL where it is ``auto()``; None for what may be no member at all."""
    if not isinstance(statement, (_ast.Assign, _ast.AnnAssign)) or statement.value is None:
        return None
    value = literal_value(statement.value)
    if value is NOT_LITERAL:
        is_auto = isinstance(statement.value, _ast.Call) and _called(statement.value, names) == "enum.auto"
        return NOT_LITERAL if is_auto else None
    return NOT_LITERAL if value is None else value


# --- what is made of a value --------------------------------------------------------------------------


def makings(kind: InputType, value: object, keys: Keys) -> Iterator[tuple[Keys, str, bool]]:
    """What the play has to make of the parts of a value, the innermost first.

    Args:
        kind: the type that took the value.
        value: the value.
        keys: where it is.

    Returns:
        For each part that becomes a member or an instance: where it is, the name of the class, and whether
        the part is the name of a member.
    """
    if isinstance(kind, OneOf):
        chosen = kind.chosen(value)
        if chosen is not None:
            yield from makings(chosen, value, keys)
    elif isinstance(kind, Members):
        yield keys, kind.class_name, kind.is_by_name
    elif isinstance(kind, Record) and isinstance(value, dict):
        for name, item in value.items():
            yield from makings(kind.fields[name].type, item, (*keys, name))
        yield keys, kind.class_name, False
    elif isinstance(kind, DictOf) and isinstance(value, dict):
        for name, item in value.items():
            yield from makings(kind.value, item, (*keys, name))
    elif isinstance(kind, (ListOf, TupleOf)) and isinstance(value, (list, tuple)):
        kinds = kind.items if isinstance(kind, TupleOf) else [kind.item] * len(value)
        for index, (one, item) in enumerate(zip(kinds, value, strict=True)):
            yield from makings(one, item, (*keys, index))


def definitions(kinds: Iterable[InputType]) -> dict[str, object]:
    """The definitions of all dataclasses that these types are made of, by name."""
    found: dict[str, object] = {}
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, Record) and kind.class_name not in found:
            found[kind.class_name] = kind.definition()
            waiting += [field.type for field in kind.fields.values()]
        elif isinstance(kind, OneOf):
            waiting += kind.members
        elif isinstance(kind, TupleOf):
            waiting += kind.items
        elif isinstance(kind, ListOf):
            waiting.append(kind.item)
        elif isinstance(kind, DictOf):
            waiting.append(kind.value)
    return dict(sorted(found.items()))
