"""Names of Python for the names that people gave: readable, never a word of the language, never twice."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata

from hero_logic.migrate.prelude import RESERVED

MAX_NAME_CHARACTERS = 40

# A list of its own and not that of the interpreter here: the flow may run in another, and the same workflow
# has to give the same file everywhere.
BUILTINS = frozenset(
    [
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "BaseException",
        "BlockingIOError",
        "BrokenPipeError",
        "BufferError",
        "BytesWarning",
        "ChildProcessError",
        "ConnectionAbortedError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "DeprecationWarning",
        "EOFError",
        "Ellipsis",
        "EnvironmentError",
        "Exception",
        "FileExistsError",
        "FileNotFoundError",
        "FloatingPointError",
        "FutureWarning",
        "GeneratorExit",
        "IOError",
        "ImportError",
        "ImportWarning",
        "IndentationError",
        "IndexError",
        "InterruptedError",
        "IsADirectoryError",
        "KeyError",
        "KeyboardInterrupt",
        "LookupError",
        "MemoryError",
        "ModuleNotFoundError",
        "NameError",
        "NotADirectoryError",
        "NotImplemented",
        "NotImplementedError",
        "OSError",
        "OverflowError",
        "PendingDeprecationWarning",
        "PermissionError",
        "ProcessLookupError",
        "RecursionError",
        "ReferenceError",
        "ResourceWarning",
        "RuntimeError",
        "RuntimeWarning",
        "StopAsyncIteration",
        "StopIteration",
        "SyntaxError",
        "SyntaxWarning",
        "SystemError",
        "SystemExit",
        "TabError",
        "TimeoutError",
        "TypeError",
        "UnboundLocalError",
        "UnicodeDecodeError",
        "UnicodeEncodeError",
        "UnicodeError",
        "UnicodeTranslateError",
        "UnicodeWarning",
        "UserWarning",
        "ValueError",
        "Warning",
        "ZeroDivisionError",
        "abs",
        "all",
        "any",
        "ascii",
        "bin",
        "bool",
        "breakpoint",
        "bytearray",
        "bytes",
        "callable",
        "chr",
        "classmethod",
        "compile",
        "complex",
        "delattr",
        "dict",
        "dir",
        "divmod",
        "enumerate",
        "eval",
        "exec",
        "filter",
        "float",
        "format",
        "frozenset",
        "getattr",
        "globals",
        "hasattr",
        "hash",
        "hex",
        "id",
        "input",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "locals",
        "map",
        "max",
        "memoryview",
        "min",
        "next",
        "object",
        "oct",
        "open",
        "ord",
        "pow",
        "print",
        "property",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "setattr",
        "slice",
        "sorted",
        "staticmethod",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "vars",
        "zip",
        "copyright",
        "credits",
        "exit",
        "quit",
        "license",
        "help",
    ]
)
"""What every Python from 3.9 has without an import."""

_LATER = frozenset(
    ["aiter", "anext", "BaseExceptionGroup", "ExceptionGroup", "EncodingWarning", "PythonFinalizationError"]
)
_OTHERS = frozenset(["match", "case", "type", "_", "self", "print_function", "asyncio"])
TAKEN = (
    BUILTINS | _LATER | _OTHERS | frozenset(keyword.kwlist) | {"async", "await", "nonlocal", "True", "None"}
)
"""What no name of a flow may be."""


_MODULES = frozenset(["hero_tracing", "hero_logic"]) | RESERVED
"""What no flow may be: what it imports, and what stands in its file besides."""


class Names:
    """Gives names, each once.

    Args:
        taken: names that are never given, besides those of the language.

    >>> names = Names()
    >>> [names.give(name, "node") for name in ("Leaves the country?", "leaves the Country!", "class")]
    ['leaves_the_country', 'leaves_the_country_2', 'class_node']
    """

    def __init__(self, taken: frozenset[str] = frozenset()) -> None:
        self._given = set(TAKEN | taken)
        self._last: dict[str, int] = {}

    def give(self, wish: str, kind: str, *others: str) -> str:
        """A name like the wish, or like the first of the others that has letters, or the word of its kind."""
        base = next(filter(None, map(cleaned, (wish, *others))), kind)
        if base[0].isdigit():
            base = f"{kind}_{base}"
        if base in TAKEN:
            base = f"{base}_{kind}"
        return self.unique(base)

    def unique(self, base: str, kind: str = "") -> str:
        """A name that is like this one, which is a name of Python already."""
        base = f"{base}_{kind}" if kind and base in self._given else base
        name = base
        while name in self._given:
            number = self._last.get(base, 1) + 1
            self._last[base] = number
            name = f"{base}_{number}"
        self._given.add(name)
        return name

    def reserve(self, *names: str) -> None:
        """Never give these."""
        self._given.update(names)


def cleaned(text: str) -> str:
    """The words of a text in small ASCII letters and digits, joined by underscores; "" if none are left.

    >>> cleaned("Résumé (2nd try)")
    'resume_2nd_try'
    """
    plain = unicodedata.normalize("NFKD", text[: 4 * MAX_NAME_CHARACTERS]).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    name = ""
    for word in words:
        if name and len(name) + len(word) + 1 > MAX_NAME_CHARACTERS:
            break
        name = f"{name}_{word}" if name else word[:MAX_NAME_CHARACTERS]
    return name


def flow_name(workflow: str) -> str:
    """What the flow of a workflow is called, and its file: no module of Python's, which would hide it.

    >>> flow_name("Greet people!"), flow_name("json"), flow_name("")
    ('greet_people', 'json_flow', 'workflow')
    """
    name = Names(frozenset(sys.stdlib_module_names) | _MODULES).give(workflow, "workflow")
    # Of a name that is taken a second one was given; another word reads better.
    base = cleaned(workflow)
    return name if name == base or not base or base in TAKEN or base[0].isdigit() else f"{base}_flow"


def is_parameter(name: str) -> bool:
    """Whether a parameter of a function may be called so.

    >>> is_parameter("max_length"), is_parameter("class"), is_parameter("max-length")
    (True, False, False)
    """
    return (
        name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    )
