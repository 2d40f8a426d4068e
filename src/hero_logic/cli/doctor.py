"""``hero-logic doctor``: what this host can keep a play from, tried anew with real plays."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_FAILED, EXIT_OK, put, put_json
from hero_logic.client import Client
from hero_logic.core.errors import SandboxUnavailable
from hero_logic.core.tiers import DEFAULT, ISOLATIONS, WATCHER, Proof, choose

_SAYS = {
    "native": "a world of its own for each play: namespaces, Landlock, seccomp",
    "bubblewrap": "the same by the program bwrap",
    "landlock": "rules on the host's own files, and no socket: Landlock, seccomp",
    WATCHER: "limits of all processes of a play together",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--python", metavar="PATH", help="the interpreter of the plays that are tried")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Try everything; 0 where the default sandbox can be had."""
    proofs: dict[str, Proof] = {}
    for proof in client.prove(arguments.python):
        proofs[proof.name] = proof
        if not arguments.json:
            _put_proof(proof)
    try:
        choice = choose(DEFAULT, proofs.__getitem__)
    except SandboxUnavailable as error:
        if arguments.json:
            put_json([_document(proofs, "", "")])
        else:
            put(f"\n{error}\n")
        return EXIT_FAILED
    if arguments.json:
        put_json([_document(proofs, choice.tier, choice.isolation)])
    else:
        means = ", ".join(name for name in (choice.isolation, choice.resources) if name != "rlimits")
        put(f"\nplays run in {choice.tier} ({means})\n")
    return EXIT_OK


def _put_proof(proof: Proof) -> None:
    mark = "proven" if proof.is_granted else "not to be had"
    put(f"{proof.name:<11} {mark:<13}  {_SAYS[proof.name]}\n")
    for text in (proof.problem, proof.remedy):
        if text:
            put(f"{'':<11} {text}\n")


def _document(proofs: dict[str, Proof], tier: str, isolation: str) -> bytes:
    import json

    found = [
        {
            "name": name,
            "is_granted": proofs[name].is_granted,
            "problem": proofs[name].problem,
            "remedy": proofs[name].remedy,
        }
        for name in (*ISOLATIONS, WATCHER)
    ]
    return json.dumps({"tier": tier or None, "isolation": isolation or None, "proofs": found}).encode()
