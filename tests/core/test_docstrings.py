"""What docstrings say of parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.docstrings import parameter_descriptions

GOOGLE = """Load a day.

    Args:
        day (str): the day,
            as a date.

        limit (dict[str, int] | None, optional): at most so many: no more
        *more: the rest
        odd line that belongs to nobody's entry

    Returns:
        total: how many
    """
NUMPY = """Load a day.

    Parameters
    ----------
    day : str
        the day,
        as a date.
    low, high : int
        the bounds
    bare

    Returns
    -------
    total : int
        how many
    """
REST = """Load a day.

    :param str day: the day,
        as a date.
    :param limit: at most so many
    :returns: how many
    """


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        (
            GOOGLE,
            {
                "day": "the day, as a date.",
                "limit": "at most so many: no more",
                "more": "the rest odd line that belongs to nobody's entry",
            },
        ),
        (NUMPY, {"day": "the day, as a date.", "low": "the bounds", "high": "the bounds"}),
        (REST, {"day": "the day, as a date.", "limit": "at most so many"}),
        ("Args:\n  a: one\nb: two", {"a": "one"}),
        ("Arguments:\n\ta: one", {"a": "one"}),
        ("Args:\n  a:", {}),
        ("Parameters\n\na : one", {}),
        ("Says nothing of them.", {}),
        ("", {}),
    ],
)
def test_a_description_is_one_line_whatever_the_style(docstring: str, found: dict[str, str]) -> None:
    """Google, NumPy and reST are read; what is written in another way says nothing."""
    assert parameter_descriptions(docstring) == found


@given(
    st.lists(
        st.sampled_from(
            ["Args:", "Parameters", "-----", "a: b", "  a (x): b", ":param a: b", "", "   c", "é"]
        )
    )
    | st.text().map(lambda text: [text])
)
def test_any_docstring_ends_in_texts(lines: list[str]) -> None:
    """Names are identifiers, texts are not empty, and nothing raises."""
    found = parameter_descriptions("\n".join(lines))

    assert all(text and name.isidentifier() for name, text in found.items())


def test_a_hostile_docstring_takes_no_time() -> None:
    """Megabytes of what looks like entries are read up to a bound, in linear time."""
    assert len(parameter_descriptions("Args:\n" + "  a(: b\n" * 100_000)) <= 1
    assert parameter_descriptions("Args:\n  " + "a(" * 500_000) == {}
