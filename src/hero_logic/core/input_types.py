"""What a parameter takes: the types of inputs, and how a value is held against one.

1. Values are what JSON can say. There is no coercion, but that an int is as good as a float where a
   float is asked; ``True`` is no int, and ``1.0`` is none either.
2. What cannot be read is accepted: a wrong refusal would make a good flow unusable.
3. A message says where: ``items[2]: expected int, got "x" (str)``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    LiteralValue = str | int | bool | None
    Problem = tuple[tuple[object, ...], "InputType", object] | None
    """The keys that lead to the part that is wrong, the type that refuses it, and that part.

    Words are made of it at the very end: of the members of a union all but one may refuse each item of a
    long list, and nobody is told.
    """

MAX_SHOWN_CHARACTERS = 60
MAX_SHOWN_ITEMS = 3
MAX_SHOWN_CHOICES = 12
MAX_SHOWN_TYPE_CHARACTERS = 200


class InputType:
    """What one parameter takes. This class itself takes everything; the others are narrower."""

    __slots__ = ()

    name = "any"

    @property
    def is_text(self) -> bool:
        """Whether ``-i name=value`` takes the value as text, and not as JSON."""
        return False

    @property
    def has_words(self) -> bool:
        """Whether a ``Literal`` in it has words to choose from, so that a bare word is meant as one."""
        return False

    def accepts(self, value: object, place: str = "") -> str | None:
        """Hold a value against this type.

        Args:
            value: what was given.
            place: what to call it in the message, such as the parameter's name.

        Returns:
            None where the type takes it, otherwise what is wrong with it.

        >>> ListOf(INT).accepts([1, 2, "x"], "items")
        'items[2]: expected int, got "x" (str)'
        """
        problem = self.problem(value)
        if problem is None:
            return None
        keys, kind, part = problem
        place += "".join(f"[{shown(key)}]" for key in keys)
        return f"{place}: {kind.refusal(part)}" if place else kind.refusal(part)

    def problem(self, value: object) -> Problem:
        """Say what is wrong and where; each type looks at each part of the value once."""
        return None

    def refusal(self, value: object) -> str:
        """Say why a value itself, and not a part of it, is refused."""
        wanted = self.describe()
        if len(wanted) > MAX_SHOWN_TYPE_CHARACTERS:
            wanted = wanted[: MAX_SHOWN_TYPE_CHARACTERS - 3] + "..."
        return f"expected {wanted}, got {shown(value)} ({_type_name(value)})"

    def converted(self, value: object) -> object:
        """Give an accepted value as the flow gets it: an int where a float is asked is a float.

        >>> ListOf(FLOAT).converted([1, 2.5])
        [1.0, 2.5]
        """
        return value

    def describe(self) -> str:
        """Give the type as Python writes it.

        >>> one_of([ListOf(STR), NONE]).describe()
        'list[str] | None'
        """
        return self.name

    def schema(self) -> dict[str, object]:
        """Give the JSON Schema of the type.

        >>> ListOf(INT).schema()
        {'type': 'array', 'items': {'type': 'integer'}}
        """
        return {}


class Scalar(InputType):
    """A str, int, float, bool or None."""

    __slots__ = ("json_name", "name", "python_types")

    def __init__(self, name: str, json_name: str, *python_types: type) -> None:
        self.name = name
        self.json_name = json_name
        self.python_types = python_types

    @property
    def is_text(self) -> bool:
        """Whether this is str."""
        return self.name == "str"

    def problem(self, value: object) -> Problem:
        """Take a value of exactly this type; only a bool is a bool."""
        fits = bool in self.python_types if isinstance(value, bool) else isinstance(value, self.python_types)
        return None if fits else ((), self, value)

    def schema(self) -> dict[str, object]:
        """Name the type as JSON does."""
        return {"type": self.json_name}


class Float(Scalar):
    """A float, or an int that becomes one."""

    __slots__ = ()

    def problem(self, value: object) -> Problem:
        """Take a float, and an int that a float can hold."""
        if isinstance(value, int) and not _fits_float(value):
            return (), self, value
        return super().problem(value)

    def refusal(self, value: object) -> str:
        """Tell the int that is too large from what is no number at all."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return super().refusal(value) + (", which is past the largest float" if is_number else "")

    def converted(self, value: object) -> object:
        """Make an int a float."""
        return float(value) if isinstance(value, int) else value


class ListOf(InputType):
    """A list, all of its items of one type."""

    __slots__ = ("item", "name")

    def __init__(self, item: InputType, name: str = "list") -> None:
        self.item = item
        self.name = name

    def problem(self, value: object) -> Problem:
        """Take a list or a tuple whose items are all taken."""
        if not isinstance(value, (list, tuple)):
            return ((), self, value)
        for index, item in enumerate(value):
            problem = self.item.problem(item)
            if problem:
                return (index, *problem[0]), *problem[1:]
        return None

    def converted(self, value: object) -> object:
        """Convert each item."""
        assert isinstance(value, (list, tuple))
        return [self.item.converted(item) for item in value]

    def describe(self) -> str:
        """Name the items too, unless they may be anything."""
        return self.name if self.item is ANY else f"{self.name}[{self.item.describe()}]"

    def schema(self) -> dict[str, object]:
        """Describe an array."""
        items = self.item.schema()
        return {"type": "array", "items": items} if items else {"type": "array"}


class TupleOf(InputType):
    """A list of a fixed length, each item with a type of its own."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[InputType]) -> None:
        self.items = tuple(items)

    def problem(self, value: object) -> Problem:
        """Take a list or a tuple of that length whose items are taken, each by its own type."""
        if not isinstance(value, (list, tuple)) or len(value) != len(self.items):
            return ((), self, value)
        for index, (kind, item) in enumerate(zip(self.items, value, strict=True)):
            problem = kind.problem(item)
            if problem:
                return (index, *problem[0]), *problem[1:]
        return None

    def converted(self, value: object) -> object:
        """Convert each item."""
        assert isinstance(value, (list, tuple))
        return [kind.converted(item) for kind, item in zip(self.items, value, strict=True)]

    def describe(self) -> str:
        """Name each item's type."""
        return f"tuple[{', '.join(item.describe() for item in self.items) or '()'}]"

    def schema(self) -> dict[str, object]:
        """Describe an array of that length."""
        length = len(self.items)
        fixed: dict[str, object] = {"type": "array", "minItems": length, "maxItems": length}
        return {**fixed, "prefixItems": [item.schema() for item in self.items]} if length else fixed


class DictOf(InputType):
    """A dict whose keys are text, as JSON has it, and whose values are all of one type."""

    __slots__ = ("value",)

    def __init__(self, value: InputType) -> None:
        self.value = value

    def problem(self, value: object) -> Problem:
        """Take a dict whose keys are text and whose values are taken."""
        if not isinstance(value, dict):
            return ((), self, value)
        for key, item in value.items():
            if not isinstance(key, str):
                return (), self, value
            problem = self.value.problem(item)
            if problem:
                return (key, *problem[0]), *problem[1:]
        return None

    def refusal(self, value: object) -> str:
        """Name the key where it is the key that is wrong."""
        odd = [key for key in value if not isinstance(key, str)] if isinstance(value, dict) else []
        if odd:
            return f"expected keys of text, got the key {shown(odd[0])} ({_type_name(odd[0])})"
        return super().refusal(value)

    def converted(self, value: object) -> object:
        """Convert each value."""
        assert isinstance(value, dict)
        return {key: self.value.converted(item) for key, item in value.items()}

    def describe(self) -> str:
        """Name the values too, unless they may be anything."""
        return "dict" if self.value is ANY else f"dict[str, {self.value.describe()}]"

    def schema(self) -> dict[str, object]:
        """Describe an object."""
        values = self.value.schema()
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}


class OneOf(InputType):
    """A value that one of several types takes."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[InputType]) -> None:
        self.members = tuple(members)

    @property
    def is_text(self) -> bool:
        """Whether this is str or None, and nothing else."""
        return any(member.is_text for member in self.members) and all(
            member.is_text or member is NONE for member in self.members
        )

    @property
    def has_words(self) -> bool:
        """Whether a member has words to choose from."""
        return any(member.has_words for member in self.members)

    def problem(self, value: object) -> Problem:
        """Take what a member takes; where one member alone finds fault with a part, that one is meant."""
        inside: list[Problem] = []
        for member in self.members:
            problem = member.problem(value)
            if problem is None:
                return None
            if problem[0]:
                inside.append(problem)
        return inside[0] if len(inside) == 1 else ((), self, value)

    def converted(self, value: object) -> object:
        """Keep the value if a member takes it as it is, otherwise convert it by the first that takes it."""
        chosen = self.chosen(value)
        assert chosen is not None
        return chosen.converted(value)

    def chosen(self, value: object) -> InputType | None:
        """The member that takes the value as it is, else the first that takes it, else None."""
        taking = [member for member in self.members if member.problem(value) is None]
        if len(taking) > 1:
            for member in taking:
                if _same(member.converted(value), value):
                    return member
        return taking[0] if taking else None

    def describe(self) -> str:
        """Name each member."""
        shown_members = [member.describe() for member in self.members[:MAX_SHOWN_CHOICES]]
        return " | ".join(shown_members + ["..."] * (len(self.members) > MAX_SHOWN_CHOICES))

    def schema(self) -> dict[str, object]:
        """Describe each member."""
        return {"anyOf": [member.schema() for member in self.members]}


class Choice(InputType):
    """One of a few values: ``Literal["a", "b"]``."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[LiteralValue]) -> None:
        self.values = tuple(values)

    @property
    def has_words(self) -> bool:
        """Whether one of them is a text."""
        return any(isinstance(value, str) for value in self.values)

    def problem(self, value: object) -> Problem:
        """Take a value that is equal to one of them, and of its type: 1 is not True."""
        if any(type(choice) is type(value) and choice == value for choice in self.values):
            return None
        return ((), self, value)

    def describe(self) -> str:
        """Name the values."""
        names = [
            repr(v) if isinstance(v, bool) or v is None else shown(v) for v in self.values[:MAX_SHOWN_CHOICES]
        ]
        return f"Literal[{', '.join(names + ['...'] * (len(self.values) > MAX_SHOWN_CHOICES))}]"

    def schema(self) -> dict[str, object]:
        """List the values."""
        return {"enum": list(self.values)}


ANY = InputType()
STR = Scalar("str", "string", str)
INT = Scalar("int", "integer", int)
BOOL = Scalar("bool", "boolean", bool)
NONE = Scalar("None", "null", type(None))
FLOAT = Float("float", "number", float, int)


def one_of(members: Sequence[InputType]) -> InputType:
    """Give the type that takes what any of these takes.

    >>> one_of([STR, one_of([NONE, STR])]).describe()
    'str | None'
    >>> one_of([STR, ANY]) is ANY
    True
    """
    parts: dict[InputType, None] = {}
    for member in members:
        if member is ANY:
            return ANY
        parts.update(dict.fromkeys(member.members if isinstance(member, OneOf) else (member,)))
    return next(iter(parts)) if len(parts) == 1 else OneOf(list(parts))


def shown(value: object) -> str:
    r"""Give a value as JSON, cut to a length that a message can hold.

    >>> shown("a\n" + "b" * 1000)[:14], shown([True, None, 1, 2, 3]), shown({"a": {"b": 1}})
    ('"a\\nbbbbbbbbbb', '[true, null, 1, ...]', '{"a": {"b": 1}}')
    """
    return _shown(value, depth=2)


def _shown(value: object, depth: int) -> str:
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, (list, tuple)):
        parts = (
            [_shown(item, depth - 1) for item in value[:MAX_SHOWN_ITEMS]] if depth else ["..."] * bool(value)
        )
        return f"[{', '.join(parts + ['...'] * (len(value) > MAX_SHOWN_ITEMS and depth > 0))}]"
    if isinstance(value, dict):
        return _shown_dict(value, depth)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, (int, float)):
        return repr(value)
    return f"a value of type {type(value).__name__}"


def _shown_text(text: str) -> str:
    import json  # here, because only a message about a value needs it

    if len(text) > MAX_SHOWN_CHARACTERS:
        text = text[: MAX_SHOWN_CHARACTERS - 3] + "..."
    # Half of a surrogate pair cannot be printed; it stays an escape. So do control characters.
    return json.dumps(text, ensure_ascii=any("\x7f" <= c < "\xa0" or "\ud800" <= c < "\ue000" for c in text))


def _shown_dict(value: dict[object, object], depth: int) -> str:
    parts: list[str] = []
    for count, (key, item) in enumerate(value.items()):
        if count == MAX_SHOWN_ITEMS or not depth:
            parts.append("...")
            break
        parts.append(f"{_shown(key, 0)}: {_shown(item, depth - 1)}")
    return f"{{{', '.join(parts)}}}"


def _type_name(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _fits_float(number: int) -> bool:
    try:
        float(number)
    except OverflowError:
        return False
    return True


def _same(one: object, other: object) -> bool:
    """Whether two values are equal down to the types of their numbers; as deep as a type can look."""
    if one is other:
        return True
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other
