# Made by hero-logic migrate; checksum b5c43ca50618e840  # ruff: noqa (scripts stand as they were written)
import json
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any, no_type_check

from hero_tracing import flow


@flow
def branch_and_join(
    country: str,
    weight_g: int | float,
    express: bool = False,
    currency: str = "EUR",
) -> Any:
    """Prices a parcel from the Netherlands: postage, customs and currency are found side by side, then joined.

    Args:
        country: where the parcel goes, as a two-letter code
        weight_g: weight in grams (a whole number)
        express: deliver tomorrow
        currency: what to price it in
    """
    whole("weight_g", weight_g)
    inputs: dict[str, Any] = {
        "country": country,
        "weight_g": weight_g,
        "express": express,
        "currency": currency,
    }
    stays_in_the_union: Any = None
    customs: Any = None
    no_customs: Any = None
    postage: Any = None
    exchange_rate: Any = None
    apology: Any = None
    with flow.step("Leaves the country?", node_id="is_abroad"):
        leaves_the_country = {"result": country != "NL"}
    if leaves_the_country["result"]:
        with flow.step("Stays in the union?", node_id="in_union"):
            stays_in_the_union = {"result": country in ["BE", "DE", "FR"]}
        if not stays_in_the_union["result"]:
            with flow.step("Customs", node_id="customs"):
                customs = {"customs_cents": 1200, "papers": ["CN 23"]}
    if not leaves_the_country["result"] or (
        stays_in_the_union is not None and stays_in_the_union["result"]
    ):
        with flow.step("No customs", node_id="no_customs"):
            no_customs = {"customs_cents": 0, "papers": []}

    def do_postage() -> None:
        nonlocal postage
        with flow.step("Postage", node_id="postage"):
            postage = run(postage_script, inputs)

    def do_exchange_rate() -> None:
        nonlocal exchange_rate
        for _ in range(3):
            try:
                with flow.step("Exchange rate", node_id="rate"):
                    exchange_rate = run(exchange_rate_script, inputs)
                break
            except Exception as error:
                exchange_rate = {"error": message(error)}

    together(do_postage, do_exchange_rate)
    quote_inputs = merged(inputs, customs, no_customs, postage, exchange_rate)
    with flow.step("Quote", node_id="quote"):
        quote = run(quote_script, quote_inputs)
    with flow.step("Label", node_id="label"):
        label = {
            "text": (
                f"{weight_g} g to {country}: {shown(quote['price'])} "
                f"{shown(quote['currency'])}"
            ),
            "papers": quote["papers"],
        }
    if contains(exchange_rate.get("error"), "no exchange rate"):
        with flow.step("Apology", node_id="apology"):
            apology = {
                "text": (
                    f"We could not price this in {shown(quote_inputs['currency'])}."
                ),
            }
    ended: dict[str, Any] = {"label": label}
    if apology is not None:
        ended["apology"] = apology
    return next(iter(ended.values())) if len(ended) == 1 else ended


def run(script: Any, inputs: Any) -> Any:
    """What a script makes of a copy of its inputs, as JSON."""
    output = script(json.loads(json.dumps(inputs)))
    return json.loads(json.dumps(output, allow_nan=False))


def message(error: BaseException) -> str:
    """An error as Python prints it: its type and its text."""
    if isinstance(error.__cause__, SystemExit):
        error = error.__cause__
    lines = traceback.format_exception_only(type(error), error)
    return next(line for line in lines if not line.startswith(" ")).rstrip()


def shown(value: Any) -> str:
    """A value as it stands in a text: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def merged(*parts: Any) -> dict[str, Any]:
    """One dict of those parts that are dicts; the last one to have a key counts."""
    dicts = [part for part in parts if isinstance(part, dict)]
    return {key: value for part in dicts for key, value in part.items()}


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON, where True is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return bool(one == other)


def contains(holder: Any, part: Any) -> bool:
    """Whether a text has a part, a list an item, or a dict a key."""
    if isinstance(holder, list):
        return any(same(item, part) for item in holder)
    return isinstance(holder, (str, dict)) and isinstance(part, str) and part in holder


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


def together(*works: Callable[[], None]) -> None:
    """Do some work at the same time, and wait for all of it or for the first error, which is raised."""
    results = [in_thread(work) for work in works]
    wait(results, return_when=FIRST_EXCEPTION)
    for result in results:
        if result.done():
            result.result()


# fmt: off
@no_type_check
def postage_script(inputs):
    base_cents = 450 if inputs['weight_g'] <= 1000 else 700
    output = {'postage_cents': base_cents * (2 if inputs['express'] else 1)}
    return output

@no_type_check
def exchange_rate_script(inputs):
    rates_per_mille = {'EUR': 1000, 'GBP': 850, 'USD': 1100}
    if inputs['currency'] not in rates_per_mille:
        raise LookupError('no exchange rate for ' + inputs['currency'])
    output = {'rate_per_mille': rates_per_mille[inputs['currency']]}
    return output

@no_type_check
def quote_script(inputs):
    cents = inputs['postage_cents'] + inputs['customs_cents']
    known = 'rate_per_mille' in inputs
    output = {
        'price': cents * inputs['rate_per_mille'] // 1000 if known else cents,
        'currency': inputs['currency'] if known else 'EUR',
        'papers': inputs['papers'],
    }
    return output
