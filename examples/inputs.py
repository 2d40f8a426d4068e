"""The kinds of inputs that a flow can take: they are the parameters of its function.

    hero-logic run inputs.py -i name=Ada -i times=3 -i 'words=["tea", "honey"]' \\
        -i 'prices={"tea": 4.2}' -i tax=0.07 -i show=longest -i note=hello

A value that does not fit is refused before anything runs.
"""

from __future__ import annotations

import json
from typing import Literal

from hero_tracing import flow


@flow(
    inputs={
        "name": "any text; it is taken as it is written, without quotes",
        "times": "a whole number",
        "tax": "a number; a whole one will do",
        "polite": "true or false",
        "show": "one of these words",
        "words": "a list of texts, as JSON; or nothing",
        "prices": "an object with a number under each name, as JSON; or nothing",
        "note": "a text, or nothing",
    },
    outputs={"greeting": "the name, so many times", "bill": "the sum of the prices, with the tax"},
)
def inputs(
    name: str = "world",
    times: int = 2,
    tax: float = 0.19,
    polite: bool = True,
    show: Literal["all", "longest", "shortest"] = "all",
    words: list[str] | None = None,
    prices: dict[str, float] | None = None,
    note: str | None = None,
) -> dict[str, object]:
    """Take one input of each kind, and compute something small from each."""
    with flow.step("greet", name=name, times=times, polite=polite):
        address = f"dear {name}" if polite else name
        greeting = ", ".join([address] * times)

    with flow.step("choose words", show=show) as choosing:
        chosen = sorted(words or ["a", "few", "words"], key=len)
        if show != "all":
            chosen = chosen[-1:] if show == "longest" else chosen[:1]
        choosing.tag(chosen=chosen)

    with flow.step("add up", tax=tax) as adding:
        bill = round(sum((prices or {}).values()) * (1 + tax), 2)
        adding.tag(bill=bill)

    return {
        "greeting": greeting,
        "words": chosen,
        "bill": bill,
        "note": note,
        "letters_in_note": None if note is None else len(note),
    }


if __name__ == "__main__":
    print(json.dumps(inputs(words=["tea", "honey"], prices={"tea": 4.2, "honey": 7.95}), indent=2))
