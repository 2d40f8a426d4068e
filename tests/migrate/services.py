"""Services and other workflows that random workflows call: pure, so that two runs are answered the same.

What a call comes to depends on its arguments alone. Some calls are refused, and some answers are nothing that
a node can go on with.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from hero_logic.migrate import module_names, translate
from hero_tracing import flow
from support.services import ServiceError, serving

SERVICES = ("ai", "catalogue", "store_2")
RESULTS: list[Any] = [
    {"level": 2, "text": "ü"},
    {"level": 0, "items": [1]},
    [1, "a"],
    "ab",
    None,
    True,
    3,
    {},
]
ANSWERS: list[Any] = [
    {"text": '{"level": 3, "text": "a"}', "obj": 1},
    {"text": "[1, true]"},
    {"text": "null"},
    {"text": "NaN"},
    {"text": '{"level": '},
    {"text": ""},
    {"text": 3},
    {"text": None},
    {"words": "a"},
    [],
]
"""Of a model: JSON in a text, no JSON, no text."""


def answer(service: str, method: str, params: dict[str, Any]) -> Any:
    """The result of a call.

    Raises:
        ServiceError: it is refused.
    """
    asked = json.dumps([service, method, without_refusals(params)], sort_keys=True)
    digest = zlib.crc32(asked.encode())
    how, which = digest % 7, digest // 7
    if how == 0:
        raise ServiceError("no")
    if service == "ai":
        said = {"text": params["prompt"]} if how < 3 and params["output_format"] == "text" else None
        return said or ANSWERS[which % len(ANSWERS)]
    return {"level": which % 3, "obj": params} if how < 4 else RESULTS[which % len(RESULTS)]


def called(service: str, method: str, params: dict[str, Any], _: str) -> Any:
    """The same for the reference interpreter, which a refusal reaches as it does a flow."""
    try:
        return json.loads(json.dumps(answer(service, method, json.loads(json.dumps(params)))))
    except ServiceError as error:
        says = f"the service {service!r} refused {method}: {error} (code {error.error['code']})"
        raise flow.ServiceFailed(says, service, -32000) from error


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """All of them behind sockets of their own: {name: path}."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(partial(answer, name))).path for name in SERVICES}


# --- Other workflows -----------------------------------------------------------------------------------


def _script(node_id: str, text: str) -> dict[str, Any]:
    config = {"language": "python", "script": text}
    return {"node_id": node_id, "node_type": "script_execution", "config": config}


LIBRARY: dict[str, dict[str, Any]] = {
    "double": {
        "name": "double",
        "inputs": [{"name": "level", "type": "integer", "required": True}],
        "nodes": [
            _script(
                "doubled",
                "if inputs['level'] > 2:\n    raise ValueError('too much')\n"
                "output = {'level': inputs['level'] * 2}\n",
            )
        ],
        "edges": [],
    },
    "Greet them": {
        "name": "Greet them",
        "inputs": [
            {"name": "text", "type": "string", "default": '"you"'},
            {"name": "max-level", "type": "integer"},
            {"name": "flag", "type": "boolean"},
        ],
        "nodes": [
            {
                "node_id": "greeted",
                "node_type": "transform",
                "config": {
                    "output": {
                        "text": "hello {{inputs.text}}",
                        "level": "{{inputs.max-level}}",
                        "flag": "{{inputs.flag}}",
                    }
                },
            }
        ],
        "edges": [],
    },
    "ask": {
        "name": "ask",
        "inputs": [{"name": "obj", "type": "object"}],
        "nodes": [
            {
                "node_id": "asked",
                "node_type": "action",
                "config": {
                    "service": "catalogue",
                    "method": "find",
                    "params": {"q": "{{inputs.obj}}"},
                },
            },
        ],
        "edges": [],
    },
    "down": {
        "name": "down",
        "inputs": [{"name": "level", "type": "number", "required": True}],
        "nodes": [
            {
                "node_id": "goes_on",
                "node_type": "condition",
                "config": {"expression": "inputs.level > 0 and inputs.level < 5"},
            },
            _script("one_less", "output = {'level': inputs['level'] - 1}\n"),
            {
                "node_id": "deeper",
                "node_type": "subworkflow",
                "config": {"workflow": "down", "inputs": {"level": "{{inputs.level}}"}},
            },
        ],
        "edges": [
            {
                "from_node": "goes_on",
                "to_node": "one_less",
                "condition": "outputs.result",
                "data_mapping": {},
            },
            {"from_node": "one_less", "to_node": "deeper"},
        ],
    },
}
"""By name: their inputs are required, or have defaults, or odd names; one calls itself."""

MODULES = dict(module_names(json.dumps(workflow) for workflow in LIBRARY.values()))


def beside() -> dict[str, str]:
    """The flows of the library: {module: source}."""
    return {
        MODULES[name]: translate(json.dumps(workflow), known=MODULES, flow=MODULES[name]).source
        for name, workflow in LIBRARY.items()
    }


_REFUSED = re.compile(
    rf"TypeError: (?:a refused input|(?:{'|'.join(MODULES.values())})\(\)|the input|there is no input).*",
    re.DOTALL,
)


def without_refusals(value: Any) -> Any:
    """JSON without what its texts say of wrong inputs of another workflow: the format has no words for it."""
    if isinstance(value, dict):
        return {key: without_refusals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_refusals(item) for item in value]
    return _REFUSED.sub("refused", value) if isinstance(value, str) else value
