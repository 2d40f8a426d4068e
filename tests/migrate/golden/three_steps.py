# Made by hero-logic migrate; checksum 94d9e0f76331ab7b  # ruff: noqa (scripts stand as they were written)
import json
from typing import Any, no_type_check

from hero_tracing import flow


@flow
def three_steps(text: str, top: int | float = 3) -> Any:
    """Counts the words of a text and reports on them.

    Args:
        text: the text to count
        top: how many of the most common words to list (a whole number)
    """
    whole("top", top)
    inputs: dict[str, Any] = {"text": text, "top": top}
    with flow.step("Split into words", node_id="split"):
        split_into_words = run(split_into_words_script, inputs)
    with flow.step("Count the words", node_id="count"):
        count_the_words = run(count_the_words_script, inputs | split_into_words)
    with flow.step("Report", node_id="report"):
        return {
            "headline": (
                f"{shown(count_the_words['total'])} words, "
                f"{shown(count_the_words['distinct'])} different ones"
            ),
            "favourite": at(count_the_words["most_common"], 0, "word"),
            "longest": count_the_words["longest"],
            "most_common": count_the_words["most_common"],
        }


def run(script: Any, inputs: Any) -> Any:
    """What a script makes of a copy of its inputs, as JSON."""
    output = script(json.loads(json.dumps(inputs)))
    return json.loads(json.dumps(output, allow_nan=False))


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


def whole(name: str, value: Any) -> None:
    """Refuse what is not a whole number; 2.0 is one."""
    if isinstance(value, float) and not value.is_integer():
        raise TypeError(f"the input {name} has to be a whole number, not {value}")


# fmt: off
@no_type_check
def split_into_words_script(inputs):
    import re

    word = re.compile(r"[a-z]+(?:'[a-z]+)?")
    output = {'words': word.findall(inputs['text'].lower())}
    return output

@no_type_check
def count_the_words_script(inputs):
    from collections import Counter

    words = inputs['words']
    ranked = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))
    output = {
        'total': len(words),
        'distinct': len(ranked),
        'longest': max(sorted(set(words)), key=len, default=None),
        'most_common': [{'word': w, 'times': n} for w, n in ranked[:inputs['top']]],
    }
    return output
