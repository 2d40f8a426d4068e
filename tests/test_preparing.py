"""From what somebody wants run to what can be run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hero_logic.core.errors import (
    BadFlowFile,
    NotGranted,
    SandboxUnavailable,
    UnmetRequirements,
    UsageError,
)
from hero_logic.core.records import Access, FlowVersion, Play, PlayOrder
from hero_logic.preparing import Preparer
from hero_logic.service.play_verbs import Wanted
from support.working import version

NEEDS = '@flow(needs={"read": ["data.csv"], "env": ["TOKEN"]})\ndef main(n: int = 1): ...\n'


def preparer(tmp_path: Path, **variables: str) -> Preparer:
    return Preparer({"PATH": os.environ["PATH"], **variables}, str(tmp_path / "home"))


def granting(tmp_path: Path) -> dict[str, str]:
    """A policy that grants what ``NEEDS`` asks for."""
    (tmp_path / "data.csv").write_text("1,2\n")
    policy = tmp_path / "policy.toml"
    policy.write_text('[flows.main]\nread = ["data.csv"]\nenv = ["TOKEN"]\n')
    return {"HERO_LOGIC_POLICY": str(policy), "TOKEN": "secret"}


def test_what_is_wanted_is_prepared(tmp_path: Path) -> None:
    """With the defaults of the environment."""
    made = preparer(tmp_path, HERO_LOGIC_SANDBOX="tier1").prepare(
        version("@flow(on_lost='retry')\ndef main(n: int): ...\n"),
        Wanted(input_json=b'{"n": 3}', timeout_s=5.0),
    )

    assert (made.flow, made.input_json, made.access) == ("main", '{"n":3}', Access())
    assert made.order == PlayOrder(
        "main", sandbox="tier1", timeout_s=5.0, on_lost="retry", published_name="main"
    )


def test_no_less_is_promised_than_the_environment_does(tmp_path: Path) -> None:
    """Whoever asks hears of it at once; more may be asked for."""
    body = version("@flow\ndef main(): ...\n")
    operator = preparer(tmp_path, HERO_LOGIC_SANDBOX="tier1")

    with pytest.raises(SandboxUnavailable, match="nothing in less than tier1"):
        operator.prepare(body, Wanted(sandbox="tier0"))
    assert operator.prepare(body, Wanted(sandbox="tier2")).order.sandbox == "tier2"


@pytest.mark.parametrize(
    ("body", "wanted", "error"),
    [
        ("def (", Wanted(), BadFlowFile),
        ("@flow\ndef main(): ...\n", Wanted(python="/nowhere/python"), UsageError),
        ("@flow\ndef main(): ...\n", Wanted(grace_s=-1.0), UsageError),
        (NEEDS, Wanted(), NotGranted),
        (
            '# /// script\n# dependencies = ["no-such-package-at-all"]\n# ///\n@flow\ndef main(): ...\n',
            Wanted(),
            UnmetRequirements,
        ),
    ],
)
def test_what_cannot_be_run_says_why(
    tmp_path: Path, body: str, wanted: Wanted, error: type[Exception]
) -> None:
    """When it is asked for."""
    with pytest.raises(error):
        preparer(tmp_path).prepare(version(body), wanted)


def test_what_a_policy_grants_is_given_to_the_worker(tmp_path: Path) -> None:
    """As paths that are resolved and names of variables: no value of one is on record."""
    variables = granting(tmp_path)
    made = preparer(tmp_path, **variables).prepare(version(NEEDS, path=str(tmp_path / "f.py")), Wanted())
    play = Play(sid="p", access=made.access)
    order = preparer(tmp_path, **variables).run_order(
        play, version(NEEDS, path=str(tmp_path / "f.py")), made.order
    )

    assert made.access.grants == {"read": [str(tmp_path / "data.csv")], "env": ["TOKEN"]}
    assert "secret" not in repr(made)
    assert order.permits is not None
    assert (order.let_through, order.permits.granted_record()) == (("TOKEN",), made.access.grants)


def test_a_granted_path_that_leads_elsewhere_by_now_is_refused(tmp_path: Path) -> None:
    """What was decided was about another file."""
    variables = granting(tmp_path)
    found = version(NEEDS, path=str(tmp_path / "f.py"))
    made = preparer(tmp_path, **variables).prepare(found, Wanted())
    (tmp_path / "data.csv").rename(tmp_path / "moved.csv")
    (tmp_path / "data.csv").symlink_to("/etc/passwd")

    with pytest.raises(NotGranted, match="leads to /etc/passwd now"):
        preparer(tmp_path, **variables).run_order(Play(sid="p", access=made.access), found, made.order)


def test_a_worker_runs_what_is_on_record(tmp_path: Path) -> None:
    """The source in its own encoding, the input, the limits; modules beside it where it came from a file."""
    text = "# coding: latin-1\nfrom hero_tracing import flow\nimport beside\n@flow\ndef main():\n    'é'\n"
    order = PlayOrder("main", sys.executable, "tier0", 7.0, 0.5)
    made = preparer(tmp_path)
    play = Play(sid="p", input_json='{"a":1}')
    of_file = made.run_order(play, FlowVersion("v", "f", "/flows/f.py", text, 1.0), order)
    of_library = made.run_order(play, FlowVersion("v", "f", "", text, 1.0), order)

    assert of_file.source == text.encode("latin-1")
    assert (of_file.input_json, of_file.python, of_file.sandbox) == (b'{"a":1}', sys.executable, "tier0")
    assert (of_file.limits.timeout_s, of_file.limits.grace_s) == (7.0, 0.5)
    assert "beside" in of_file.imports
    assert of_library.imports == set()
    assert of_library.path.startswith(str(tmp_path))
    assert not os.path.exists(os.path.dirname(of_library.path))


def test_a_published_flow_goes_by_the_name_of_the_library(tmp_path: Path) -> None:
    """What it calls itself grants it nothing that a policy has for another."""
    variables = granting(tmp_path)
    body = NEEDS.replace("@flow(", "@flow('main', ")

    with pytest.raises(NotGranted):
        preparer(tmp_path, **variables).prepare(version(body, name="impostor"), Wanted())


def test_a_play_is_of_what_it_was_asked_for_by(tmp_path: Path) -> None:
    """The same text may have come from a file first: a published flow is not of that, nor the other way."""
    text = "from hero_tracing import flow\nimport beside\n@flow\ndef main(): ...\n"
    made = preparer(tmp_path)
    of_library = made.prepare(FlowVersion("v", "published", "", text, 1.0), Wanted())
    of_file = made.prepare(FlowVersion("v", "main", "/flows/f.py", text, 1.0), Wanted())
    first_seen = FlowVersion("v", "other", "/other/g.py", text, 1.0)
    library_order = made.run_order(Play(sid="p"), first_seen, of_library.order)
    file_order = made.run_order(Play(sid="p"), first_seen, of_file.order)

    assert (of_library.flow, of_file.flow) == ("published", "main")
    assert (library_order.published_name, library_order.imports) == ("published", set())
    assert not library_order.path.startswith("/other")
    assert (file_order.published_name, file_order.path) == ("", "/flows/f.py")
    assert "beside" in file_order.imports
