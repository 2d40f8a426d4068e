# Made by hero-logic migrate; checksum 0ecca3535afdca97  # ruff: noqa (scripts stand as they were written)
import json
import threading
import traceback
from concurrent.futures import Future, wait
from typing import Any, no_type_check

from hero_tracing import flow


@flow
def service_agent(prompt: str, max_length: int | float = 80) -> Any:
    """Answers a prompt with a script that is written for it: choose services, write code, run it, mend it when it fails, sum up.

    It calls services: --rpc ai=SOCKET --rpc catalogue=SOCKET

    Args:
        prompt: what to find out
        max_length: the longest summary, in characters (a whole number)
    """
    whole("max_length", max_length)
    inputs: dict[str, Any] = {"prompt": prompt, "max_length": max_length}
    debug_ran = False
    debug: Any = None
    clip_to_length: Any = None
    with flow.step("List services", node_id="list_services"):
        list_services = flow.service("catalogue").search(text=prompt, limit=5)
    for attempt in range(2):
        try:
            with flow.step("Select services", node_id="select_services"):
                select_services = parsed(
                    flow.service("ai").complete(
                        model="small",
                        system_prompt=(
                            'You choose services. Answer with JSON: {"chosen": [names]}.'
                        ),
                        prompt=(
                            f"Which of {shown(at(list_services, 'names'))} help with "
                            "this?\n"
                            f"{prompt}"
                        ),
                        temperature=0,
                        output_format="json",
                    )["text"],
                )
            break
        except Exception:
            if attempt == 1:
                raise
    if at(select_services, "chosen") != []:
        generate_code_inputs = inputs | (
            select_services if isinstance(select_services, dict) else {}
        )
        with flow.step("Generate code", node_id="generate_code"):
            generate_code = {
                "text": flow.service("ai").complete(
                    model="large",
                    system_prompt=(
                        "You write short Python scripts that set `result`. Answer "
                        "with the script alone."
                    ),
                    prompt=(
                        f"Use {shown(at(generate_code_inputs, 'chosen', 0))} to find "
                        f"out: {shown(generate_code_inputs['prompt'])}"
                    ),
                    temperature=0.2,
                    output_format="text",
                )["text"],
            }
        run_the_code_again: dict[str, Any] = {}
        for _ in range(3):  # it goes back at most 2 times
            debug = None
            debug_ran = False
            run_the_code_inputs = (
                inputs | {"code": generate_code["text"]} | run_the_code_again
            )
            try:
                with flow.step("Run the code", node_id="run_code"):
                    run_the_code = within(
                        10,
                        run_to_exit,
                        run_the_code_script,
                        run_the_code_inputs,
                    )
                run_the_code_failed = False
            except Exception as error:
                run_the_code = {"error": message(error)}
                run_the_code_failed = True
            if run_the_code_failed:
                debug_ran = True
                with flow.step("Debug", node_id="error_debug"):
                    debug = parsed(
                        flow.service("ai").complete(
                            model="large",
                            system_prompt=(
                                'You mend Python scripts. Answer with JSON: {"diagnosis": '
                                'text, "code": text}.'
                            ),
                            prompt=(
                                f"This script failed with: {run_the_code['error']}\n"
                                "\n"
                                f"{shown(run_the_code_inputs['code'])}"
                            ),
                            temperature=0,
                            output_format="json",
                        )["text"],
                    )
            if not (run_the_code_failed and at(debug, "code") != ""):
                break
            run_the_code_again |= merged(debug)
        if not run_the_code_failed:
            with flow.step("Sum up", node_id="summary"):
                sum_up = {
                    "text": flow.service("ai").complete(
                        model="small",
                        system_prompt="You answer in one plain sentence.",
                        prompt=(
                            f"{prompt}\n"
                            f"The script found {shown(run_the_code['result'])}. At most "
                            f"{max_length} characters."
                        ),
                        temperature=0.5,
                        output_format="text",
                    )["text"],
                }
            with flow.step("Clip to length", node_id="clip"):
                clip_to_length = run(
                    clip_to_length_script,
                    inputs | sum_up | run_the_code,
                )
    ended: dict[str, Any] = {}
    if debug_ran:
        ended["error_debug"] = debug
    if clip_to_length is not None:
        ended["clip"] = clip_to_length
    return next(iter(ended.values())) if len(ended) == 1 else ended


def run(script: Any, inputs: Any) -> Any:
    """What a script makes of a copy of its inputs, as JSON."""
    output = script(json.loads(json.dumps(inputs)))
    return json.loads(json.dumps(output, allow_nan=False))


def run_to_exit(script: Any, inputs: Any) -> Any:
    """What a script makes of a copy of its inputs, as JSON; sys.exit() ends its step alone."""
    try:
        output = script(json.loads(json.dumps(inputs)))
    except SystemExit as stop:
        raise RuntimeError("the script wanted to end its process") from stop
    return json.loads(json.dumps(output, allow_nan=False))


def message(error: BaseException) -> str:
    """An error as Python prints it: its type and its text."""
    if isinstance(error.__cause__, SystemExit):
        error = error.__cause__
    lines = traceback.format_exception_only(type(error), error)
    return next(line for line in lines if not line.startswith(" ")).rstrip()


def at(value: Any, *path: Any) -> Any:
    """What stands at a path of keys and indexes; None where nothing does."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def shown(value: Any) -> str:
    """A value as it stands in a text: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def merged(*parts: Any) -> dict[str, Any]:
    """One dict of those parts that are dicts; the last one to have a key counts."""
    dicts = [part for part in parts if isinstance(part, dict)]
    return {key: value for part in dicts for key, value in part.items()}


def parsed(text: str) -> Any:
    """The value of a JSON text; NaN is none."""
    value = json.loads(text)
    json.dumps(value, allow_nan=False)
    return value


def whole(name: str, value: Any) -> None:
    """Refuse what is not a whole number; 2.0 is one."""
    if isinstance(value, float) and not value.is_integer():
        raise TypeError(f"the input {name} has to be a whole number, not {value}")


def in_thread(work: Any, *arguments: Any) -> Future[Any]:
    """Begin some work in a thread of its own; what lingers of it ends with the play."""
    result: Future[Any] = Future()

    def do_it() -> None:
        try:
            result.set_result(work(*arguments))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=do_it, daemon=True).start()
    return result


def within(limit_s: float, work: Any, *arguments: Any) -> Any:
    """What some work gives within so many seconds; a thread that takes longer is left alone."""
    result = in_thread(work, *arguments)
    wait([result], limit_s)
    if not result.done():
        raise TimeoutError(f"it took longer than {limit_s} s")
    return result.result()


# fmt: off
@no_type_check
def run_the_code_script(inputs):
    names = {}
    exec(inputs['code'], names)
    output = {'result': names['result']}
    return output

@no_type_check
def clip_to_length_script(inputs):
    text = inputs['text'].strip()
    room = inputs['max_length']
    if len(text) > room:
        text = text[:room - 3].rstrip() + '...'
    output = {'summary': text, 'result': inputs['result']}
    return output
