"""Scripts that would mean something else in a function: in a real play each comes to what it came to."""

# ruff: noqa: E501 - a script stands on a line of its own, however long it is
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hero_logic.migrate import translate
from migrate.plays import stage
from migrate.reference import run

LOOPS = "".join(f"{' ' * n}for n{n} in (1,):\n" for n in range(17)) + f"{' ' * 17}output = n16\n"
SCRIPTS = [
    "output = 1",
    "\n\n# only a remark\n",
    "pass",
    "n = max(1, 2)\nmax = n\noutput = max\n",
    "output = [len(inputs)]\nlen = 3\noutput.append(len)\n",
    "n = 1\nclass A:\n    n = n + 1\n\noutput = A.n\n",
    "n = [1, 2]\nclass A:\n    m = [x for x in n]\n\noutput = A.m\n",
    "class A:\n    n = 3\n    def get(self):\n        return n\n\nn = 4\noutput = [A().get(), A.n]\n",
    "count = 0\ndef up():\n    global count\n    count += 1\n\nup()\nup()\noutput = count\n",
    "def f():\n    global output\n    output = 1\n\nf()\n",
    "def f():\n    n = 1\n    def g():\n        nonlocal n\n        n += 1\n        return n\n    return g()\n\noutput = f()\n",
    "def f():\n    return later\n\nlater = 3\noutput = f()\n",
    "f = lambda n: 1 if n < 1 else n * f(n - 1)\noutput = f(4)\n",
    "def f(n):\n    return 1 if n < 1 else n * f(n - 1)\n\noutput = f(4)\n",
    "exec('output = 5')\n",
    "exec('n = 5')\noutput = n\n",
    "output = eval('inputs')['n']\n",
    "output = sorted(name for name in globals() if not name.startswith('__'))\n",
    "output = sorted(name for name in locals() if not name.startswith('__'))\n",
    "output = locals() is globals()\n",
    "output = 'inputs' in dir()\n",
    "vars()['output'] = 7\n",
    "globals()['output'] = 7\n",
    "from math import *\noutput = floor(2.5)\n",
    "from __future__ import annotations\ndef f(x: Nothing): return x\noutput = f(1)\n",
    "'''A docstring.'''\noutput = __doc__\n",
    "output = 1 if __name__ == '__main__' else 2\n",
    "try:\n    json\nexcept NameError:\n    output = 'none'\n",
    "try:\n    flow\nexcept NameError:\n    output = 'none'\n",
    "output = at(inputs, 'n')\n",
    "output = message(ValueError('x'))\n",
    "x: int\noutput = 'x' in __annotations__\n",
    "output: dict = {'n': 1}\n",
    "x: int = 3\noutput = x\n",
    "inputs |= {'m': 2}\noutput = sorted(inputs)\n",
    "inputs = None\noutput = inputs\n",
    "del inputs\noutput = 1\n",
    "output = 1\ndel output\n",
    "if inputs['n'] > 100:\n    output = 1\n",
    "print(later)\nlater = 1\noutput = 1\n",
    "for output in (1, 2): pass\n",
    "[output := 3]\n",
    "[(output := i) for i in range(3)]\n",
    "match inputs:\n    case {'n': output}: pass\n",
    "import json as output\n",
    "def output(): pass\n",
    "class output: pass\n",
    "try:\n    1 / 0\nexcept ZeroDivisionError as output:\n    pass\n",
    "import contextlib\nwith contextlib.nullcontext(4) as output: pass\n",
    "a, *output = [1, 2, 3]\n",
    "def f():\n    yield 1\n    yield 2\n\noutput = list(f())\n",
    "import asyncio\nasync def f(): return 3\noutput = asyncio.run(f())\n",
    "text = '''one\n  two\n'''\noutput = text\n",
    "text = f'''one\n  {1 +\n 1}\n'''\noutput = text\n",
    "text = 'one \\\n   two'\noutput = text\n",
    "output = (1 +\n2)\n",
    "if True:\n\toutput = 'tab'\n",
    "if True:\n  if True:\n        output = 'odd'\n",
    "x = 1\r\nif x:\r\n    output = 'crlf'\r\n",
    "text = '''a\r\nb'''\r\noutput = [text]\r\n",
    "x = 1; output = x; y = 2\n",
    "if 1: output = 1\n",
    "output = 'form\x0cfeed'\n\x0c\nx = 1\n",
    "output = '\u202e \u2066 ü \\N{BULLET}' # \u202e remark\n",
    "ﬁ = 1\noutput = fi\n",
    "class_ = 1\noutput = class_\n",
    "output = '\"\"\" \\'\\'\\' \\\\ \\x00'\n",
    'output = """a\n    b"""\n',
    "def f():\n    '''doc\n    more'''\noutput = f.__doc__\n",
    "def f(x=[]):\n    x.append(1)\n    return x\nf()\noutput = f()\n",
    "import os.path\noutput = os.path.sep\n",
    "import collections.abc as c\noutput = c.Sized.__name__\n",
    "from dataclasses import dataclass, asdict\n@dataclass\nclass P:\n    x: int = 1\n    y: 'P' = None\noutput = asdict(P())\n",
    "import enum\nclass E(enum.Enum):\n    A = 1\noutput = E.A.value\n",
    "class Odd(Exception):\n    pass\n\nraise Odd('x')\n",
    "class Odd(ValueError):\n    def __str__(self):\n        return 'two\\n lines'\n\nraise Odd\n",
    "raise ValueError\n",
    "raise ValueError('a\\nb')\n",
    "raise KeyError('k')\n",
    "raise SystemExit(2)\n",
    "import sys\nsys.exit('bye')\n",
    "import json\njson.loads('{')\n",
    "compile('1 +', 'x', 'exec')\n",
    "{}['x']\n",
    "assert False, 'never'\n",
    "try:\n    raise ValueError('a')\nexcept ValueError as e:\n    raise TypeError('b') from e\n",
    "error = ValueError('x')\nerror.add_note('a note')\nraise error\n",
    "raise ExceptionGroup('g', [ValueError('x')])\n",
    "output = float('inf')\n",
    "output = {1, 2}\n",
    "output = [object()]\n",
    "output = 10 ** 30\n",
    "output = {'a': [None, True, 1.5, 'ü\\ud800'[:1]]}\n",
    "output = {'n': inputs['n']}\ninputs['n'] = 99\ninputs['l'].append(5)\n",
    "output = inputs\n",
    "super_ = super\nclass A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return super().f() + 1\noutput = B().f()\n",
    "def outer():\n    class A:\n        x = inputs['n']\n    return A.x\noutput = outer()\n",
    "import threading\nfound = []\nt = threading.Thread(target=lambda: found.append(inputs['n']))\nt.start(); t.join()\noutput = found\n",
    "output = [n for n in range(3) if n]\nn = 'kept'\noutput.append(n)\n",
    "for i in range(3):\n    if i == 1: break\nelse:\n    i = 9\noutput = i\n",
    "while True:\n    output = 1\n    break\n",
    "output = ...\n",
    "output = __builtins__ is not None\n",
    "def decorate(f):\n    return f() + 1\n\n@decorate\ndef output():\n    return 1\n",
    "_ = inputs\n__x = 1\nclass A:\n    def f(self): return __x\ntry:\n    output = A().f()\nexcept NameError as e:\n    output = str(e)[:11]\n",
    LOOPS,
]  # fmt: skip
INPUTS = {"n": 1, "l": [1]}


def test_each_script_comes_to_what_it_comes_to_as_a_module(tmp_path: Path) -> None:
    """All side by side in one play; a script that fails tells as Python does."""
    declared: list[dict[str, Any]] = [
        {"name": "n", "type": "integer", "required": True, "default": ""},
        {"name": "l", "type": "array", "required": True, "default": ""},
    ]
    nodes = [
        {
            "node_id": f"s{number}",
            "node_type": "script_execution",
            "on_error": "continue",
            "config": {"language": "python", "script": script},
        }
        for number, script in enumerate(SCRIPTS)
    ]
    workflow = {"name": "w", "description": "", "inputs": declared, "nodes": nodes, "edges": []}
    due = run(workflow, INPUTS)

    with stage(tmp_path) as played:
        done = played.play(translate(json.dumps(workflow)).source, INPUTS)

    assert done.status == due.status, done.error
    found = {
        script: (done.output[node["node_id"]], due.output[node["node_id"]])
        for script, node in zip(SCRIPTS, nodes, strict=True)
        if done.output[node["node_id"]] != due.output[node["node_id"]]
    }
    assert found == {}
