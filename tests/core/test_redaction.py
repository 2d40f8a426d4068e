"""Values that nobody may read, in every place and spelling that is looked for."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from hero_logic.core.redaction import Redactor
from hero_logic.core.wire import decode_line

SECRETS = [
    "plain-secret",
    'with "quotes" and \\backslash',
    "line one\nline two\ttab",
    "ünïcode 𝄞 secret",
    "sp ace&amp=1/2?3",
    "it's",
]

SPELLINGS = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "JSON in a document": lambda secret: json.dumps({"a": ["x" + secret + "y"]}),
    "repr": repr,
    "repr in a list": lambda secret: repr([secret, 1]),
    "URL": lambda secret: f"https://h/?k={quote(secret, safe='')}&x",
    "path of a URL": lambda secret: quote(f"/a/{secret}/b"),
    "form": lambda secret: urlencode({"k": secret}),
    "plus": quote_plus,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 without its end": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_value_is_found_in_every_spelling(secret: str, spelling: str) -> None:
    """Whatever stands around it stays."""
    shown = SPELLINGS[spelling](secret)
    text = Redactor([secret]).text(f"before {shown} after")

    assert shown not in text
    assert secret not in text
    assert "***" in text
    assert text.startswith("before ")
    assert text.endswith(" after")


def test_the_longer_of_two_values_is_replaced_whole() -> None:
    """A value may be part of another one."""
    assert Redactor(["pass", "password-long"]).text("password-long pass") == "*** ***"


@pytest.mark.parametrize("value", ["", "a", "abc"])
def test_a_value_that_is_too_short_is_left(value: str) -> None:
    """It would blot out half of every log; the operator is warned."""
    assert Redactor([value]).text("abc a") == "abc a"


def test_any_json_value_is_cleaned_with_its_keys() -> None:
    """At any depth, what is not text staying what it is."""
    value = {"the secret": [1, None, True, {"k": "a secret b"}], "n": 1.5}

    assert Redactor(["secret"]).value(value) == {"the ***": [1, None, True, {"k": "a *** b"}], "n": 1.5}


@pytest.mark.parametrize(("secret", "value"), [("8080", 8080), ("-1234", -1234), ("12.75", 12.75)])
def test_a_number_that_is_the_value_is_replaced_by_text(secret: str, value: float) -> None:
    """JSON stays JSON; a number that merely contains it stays a number."""
    assert Redactor([secret]).value([value, 180805, True]) == ["***", 180805, True]


@pytest.mark.parametrize("secret", ["true", "True", "null", "None"])
def test_words_of_json_stay_what_they_are(secret: str) -> None:
    """Only text and numbers show a value."""
    assert Redactor([secret]).value([True, None, "true"])[:2] == [True, None]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "span_log", "span_id": "s", "text": "a secret", "level": "secret"},
        {"type": "span_tag", "span_id": "s", "tags": {"secret": {"k": ["secret"]}}},
        {"type": "span_end", "span_id": "s", "status": "secret", "error": "x secret"},
        {
            "type": "span_start",
            "span_id": "s",
            "name": "secret",
            "tags": {"a": "secret"},
            "rpc_service": "secret",
            "rpc_method": "secret",
            "source_file": "/secret.py",
            "child_play_sid": "secret",
        },
    ],
)
def test_no_field_of_an_event_shows_a_value(event: dict[str, object]) -> None:
    """Each that a face would show."""
    decoded = decode_line(json.dumps(event).encode())
    assert decoded is not None

    assert "secret" not in repr(Redactor(["secret"]).event(decoded))


@pytest.mark.parametrize(
    "event",
    [
        {"type": "hello", "protocol": 1, "writer": "w"},
        {"type": "span_start", "span_id": "s", "name": "n"},
        {"type": "span_end", "span_id": "s", "status": "ok"},
        {"type": "span_log", "span_id": "s", "text": "t"},
    ],
)
def test_an_event_without_a_value_is_as_it_was(event: dict[str, object]) -> None:
    """Fields that did not come stay away."""
    line = json.dumps(event).encode()
    decoded = decode_line(line)
    assert decoded is not None

    assert Redactor(["secret"]).event(decoded) == decode_line(line)


def test_each_line_of_a_value_is_a_value() -> None:
    """A key of several lines that is printed becomes a log for each of them."""
    redactor = Redactor(["-----BEGIN-----\nsecretline1\nxx\n"])

    assert redactor.text("it holds secretline1") == "it holds ***"
    assert redactor.text("xx") == "xx"


@pytest.mark.parametrize("text", ["pppSECRETse\u2026", "pppSECRETse", "pppSECR\u2026 more"])
def test_the_head_of_a_value_that_was_cut_is_not_left(text: str) -> None:
    """The SDK cuts long texts, and a cut may fall into a value."""
    assert "SECR" not in Redactor(["SECRETsecret"]).text(text)


def test_a_word_that_begins_as_a_value_does_stays() -> None:
    """Only what was cut is taken for the head of one."""
    assert Redactor(["SECRETsecret"]).text("SECRETARY of state") == "SECRETARY of state"
