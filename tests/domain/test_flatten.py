"""A flatten is the strongest of the standing halts: nothing but a resume ends it, and each id counts once."""

from __future__ import annotations

import pytest

from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.halts import Halts
from tradebot.domain.messages import Command


def of(*verbs: str) -> Halts:
    return Halts(Command(verb=CommandVerb(verb), reason=verb, id=f"{verb}-{n}") for n, verb in enumerate(verbs))


@pytest.mark.parametrize(
    ("verbs", "flattening", "halted"),
    [
        (("flatten",), "flatten", "flatten"),
        (("halt", "flatten"), "flatten", "flatten"),
        (("flatten", "halt"), "flatten", "flatten"),
        (("flatten", "resume"), "", ""),
        (("flatten", "resume", "halt"), "", "halt"),
    ],
)
def test_the_stronger_command_of_a_scope_stands(verbs: tuple[str, ...], flattening: str, halted: str) -> None:
    halts = of(*verbs)
    assert (closing(halts), halts.global_reason) == (flattening, halted)


def closing(halts: Halts) -> str:
    return next((command.reason for command in halts.active_flattens), "")


def test_the_ids_of_flattens_are_remembered_past_a_resume() -> None:
    assert of("flatten", "resume", "flatten").flatten_ids == {"flatten-0", "flatten-2"}


def test_a_resume_of_one_symbol_leaves_a_flatten_standing() -> None:
    halts = of("flatten")
    halts.apply_command(Command(verb=CommandVerb.RESUME, scope=Scope.parse("symbol:TCS")))
    assert closing(halts) == "flatten"
