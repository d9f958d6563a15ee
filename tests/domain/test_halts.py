"""Standing halts by scope: what each command leaves standing, as a table."""

from __future__ import annotations

import pickle

import pytest

from tradebot.domain.commands import EVERYTHING, CommandVerb, HaltExpiry, Scope, infer_halt_expiry
from tradebot.domain.halts import Halts, surviving_session
from tradebot.domain.messages import Command


def halts(*words: str) -> Halts:
    """Halts after commands written as `verb` or `verb@scope`."""
    commands = (word.partition("@") for word in words)
    return Halts(
        Command(verb=CommandVerb(verb), scope=Scope.parse(scope or "all"), reason=f"{verb} {scope}")
        for verb, _, scope in commands
    )


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
    assert [
        bool(standing.reason_for("AAA")),
        bool(standing.reason_for("BBB")),
        bool(standing.reason_for("CCC", "s")),
    ] == [aaa, bbb, by_s]


def test_a_weaker_command_does_not_soften_a_stronger_one() -> None:
    assert halts("flatten", "halt").active_flattens
    assert not halts("halt").active_flattens
    assert halts("flatten@symbol:AAA", "halt@symbol:AAA").reason_for("AAA") == "flatten symbol:AAA"


def test_the_end_of_a_session_lifts_what_a_rule_called_for_it_and_nothing_that_a_person_called() -> None:
    standing = Halts(
        [ruled("the day's loss"), ruled("closing all", CommandVerb.FLATTEN), ruled("mine", until=HaltExpiry.RESUME)]
    )
    assert [c.reason for c in standing.active_flattens] == ["closing all"]
    assert [command.reason for command in standing.lift_session_halts()] == ["closing all"]
    assert (standing.global_reason, standing.active_flattens, standing.lift_session_halts()) == ("mine", (), ())


def test_a_rule_does_not_shorten_the_halt_of_a_person_in_the_same_scope() -> None:
    by_hand, by_rule = Command(verb=CommandVerb.HALT, reason="by hand"), ruled("the day's loss")
    for order in ([by_hand, by_rule], [by_rule, by_hand]):
        standing = Halts(order)
        assert surviving_session(standing.active_commands) == (by_hand,)
        standing.lift_session_halts()
        assert standing.global_reason == "by hand"
    standing.apply_command(by_rule)
    standing.apply_command(Command(verb=CommandVerb.RESUME, scope=Scope.parse("all")))
    assert not standing


def ruled(reason: str, verb: CommandVerb = CommandVerb.HALT, *, until: HaltExpiry = HaltExpiry.SESSION) -> Command:
    return Command(verb=verb, reason=reason, until=until, control="a rule")


@pytest.mark.parametrize(
    ("verb", "scope", "reason", "until"),
    [
        ("halt", "all", "the day is at -1200.00, max_daily_loss is 1000", HaltExpiry.SESSION),
        ("halt", "all", "the day is at -2500.10, max_daily_loss is 2500.0000", HaltExpiry.SESSION),
        ("halt", "all", "max_daily_loss looks wrong, do not trade until I am back", HaltExpiry.RESUME),
        ("halt", "all", "the day is at -1200.00, max_daily_loss is 1000, and that is too much", HaltExpiry.RESUME),
        ("halt", "symbol:AAA", "the day is at -1200.00, max_daily_loss is 1000", HaltExpiry.RESUME),
        ("flatten", "all", "the day is at -1200.00, max_daily_loss is 1000", HaltExpiry.RESUME),
    ],
)
def test_of_an_old_journal_the_very_words_of_the_old_rule_say_how_long_its_halt_lasted(
    verb: str, scope: str, reason: str, until: HaltExpiry
) -> None:
    assert infer_halt_expiry(verb, scope, reason) is until


@pytest.mark.parametrize("text", ["all", "account", "symbol:AAA", "strategy:path/to/file.py:Class", "symbol:", "so"])
def test_a_scope_is_written_as_it_was_read(text: str) -> None:
    scope = Scope.parse(text)
    assert (str(scope), Scope.parse(str(scope)), pickle.loads(pickle.dumps(scope))) == (text, scope, scope)
    assert scope.is_account_wide is (not text.startswith(("symbol:A", "strategy:")))


def test_a_scope_is_no_mutable_thing() -> None:
    with pytest.raises(AttributeError):
        Scope.for_symbol("AAA").name = "BBB"


def test_halts_tell_what_stands_who_called_it_and_which_flattens_were_carried_out() -> None:
    found = Halts()
    assert found.is_empty
    found.apply_command(
        Command(verb=CommandVerb.HALT, reason="odd", scope=Scope.for_symbol("AAA"), id="h1", control="incident")
    )
    assert not found.is_empty
    assert (found.flatten_ids, found.is_flattened_by("incident")) == (set(), False)
    found.apply_command(Command(verb=CommandVerb.FLATTEN, id="f1", control="daily_loss", until=HaltExpiry.SESSION))
    assert (found.flatten_ids, found.is_flattened_by("daily_loss"), found.is_flattened_by("")) == ({"f1"}, True, False)
    assert [found.has_scope(scope) for scope in (Scope.for_symbol("AAA"), EVERYTHING, Scope.for_symbol("BBB"))] == [
        True,
        True,
        False,
    ]
    assert found.global_reason == "flattened", "which has no reason of its own"
    found.lift_session_halts()
    assert (found.is_empty, found.has_scope(EVERYTHING), found.flatten_ids) == (False, False, {"f1"})
    found.apply_command(Command(verb=CommandVerb.RESUME, scope=Scope.for_symbol("AAA")))
    assert found.is_empty


def test_of_two_commands_as_strong_the_later_one_says_why() -> None:
    found = Halts()
    for reason in ("by hand", "by another hand"):
        found.apply_command(Command(verb=CommandVerb.HALT, reason=reason))
    assert [command.reason for command in found.active_commands] == ["by another hand"]
    found.apply_command(Command(verb=CommandVerb.STOP))
    assert found.global_reason == "by another hand", "a stop changes nothing"


def test_the_session_that_ends_leaves_no_halt_where_none_else_stands() -> None:
    found = Halts([Command(verb=CommandVerb.HALT, reason="the loss", until=HaltExpiry.SESSION)])
    assert [command.reason for command in found.lift_session_halts()] == ["the loss"]
    assert found.is_empty
