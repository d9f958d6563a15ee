"""Standing halts by scope: what each command leaves standing, as a table."""

from __future__ import annotations

import pytest

from tradebot.domain.halts import Halts, lasting
from tradebot.domain.messages import Command


def halts(*words: str) -> Halts:
    """Halts after commands written as `verb` or `verb@scope`."""
    commands = (word.partition("@") for word in words)
    return Halts(Command(verb=verb, scope=scope or "all", reason=f"{verb} {scope}") for verb, _, scope in commands)


@pytest.mark.parametrize(
    ("words", "aaa", "bbb", "by_s"),
    [
        (["halt"], True, True, True),
        (["halt@symbol:AAA"], True, False, False),
        (["halt@strategy:s"], False, False, True),
        (["halt@nobody knows what"], True, True, True),
        (["halt", "resume"], False, False, False),
        (["halt@symbol:AAA", "halt@symbol:BBB", "resume@symbol:BBB"], True, False, False),
        (["halt", "resume@symbol:AAA"], True, True, True),
        (["halt@symbol:AAA", "resume"], False, False, False),
        (["halt@symbol:AAA", "resume@strategy:s"], True, False, False),
    ],
)
def test_a_halt_holds_in_its_scope_until_that_or_everything_is_resumed(
    words: list[str], aaa: bool, bbb: bool, by_s: bool
) -> None:
    standing = halts(*words)
    assert [bool(standing.of("AAA")), bool(standing.of("BBB")), bool(standing.of("CCC", "s"))] == [aaa, bbb, by_s]


def test_a_weaker_command_does_not_soften_a_stronger_one() -> None:
    assert halts("flatten", "halt", "reduce").flattening
    assert not halts("reduce", "halt").flattening
    assert halts("halt@symbol:AAA", "reduce@symbol:AAA").of("AAA") == "halt symbol:AAA"


def test_a_halt_for_the_loss_of_a_day_does_not_last_into_the_next() -> None:
    loss = Command(verb="halt", reason="the day is at -1200.00, max_daily_loss is 1000")
    others = Command(verb="halt", reason="by hand"), Command(verb="reduce", reason="", scope="symbol:AAA")
    assert lasting([others[0], loss, others[1]]) == others
