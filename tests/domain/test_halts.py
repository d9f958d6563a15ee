"""Standing halts by scope: what each command leaves standing, as a table."""

from __future__ import annotations

import pickle

import pytest

from tradebot.domain.control import EVERYTHING, Scope, Until, Verb, lasted_until
from tradebot.domain.halts import Halts, lasting
from tradebot.domain.messages import Command


def halts(*words: str) -> Halts:
    """Halts after commands written as `verb` or `verb@scope`."""
    commands = (word.partition("@") for word in words)
    return Halts(
        Command(verb=Verb(verb), scope=Scope.parse(scope or "all"), reason=f"{verb} {scope}")
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
    assert [bool(standing.of("AAA")), bool(standing.of("BBB")), bool(standing.of("CCC", "s"))] == [aaa, bbb, by_s]


def test_a_weaker_command_does_not_soften_a_stronger_one() -> None:
    assert halts("flatten", "halt").flattens
    assert not halts("halt").flattens
    assert halts("flatten@symbol:AAA", "halt@symbol:AAA").of("AAA") == "flatten symbol:AAA"


def test_the_end_of_a_session_lifts_what_a_rule_called_for_it_and_nothing_that_a_person_called() -> None:
    standing = Halts([ruled("the day's loss"), ruled("closing all", Verb.FLATTEN), ruled("mine", until=Until.RESUME)])
    assert [c.reason for c in standing.flattens] == ["closing all"]
    assert [command.reason for command in standing.end_session()] == ["closing all"]
    assert (standing.of_all, standing.flattens, standing.end_session()) == ("mine", (), ())


def test_a_rule_does_not_shorten_the_halt_of_a_person_in_the_same_scope() -> None:
    by_hand, by_rule = Command(verb=Verb.HALT, reason="by hand"), ruled("the day's loss")
    for order in ([by_hand, by_rule], [by_rule, by_hand]):
        standing = Halts(order)
        assert lasting(standing.active_commands) == (by_hand,)
        standing.end_session()
        assert standing.of_all == "by hand"
    standing.apply(by_rule)
    standing.apply(Command(verb=Verb.RESUME, scope=Scope.parse("all")))
    assert not standing


def ruled(reason: str, verb: Verb = Verb.HALT, *, until: Until = Until.SESSION) -> Command:
    return Command(verb=verb, reason=reason, until=until, control="a rule")


@pytest.mark.parametrize(
    ("verb", "scope", "reason", "until"),
    [
        ("halt", "all", "the day is at -1200.00, max_daily_loss is 1000", Until.SESSION),
        ("halt", "all", "the day is at -2500.10, max_daily_loss is 2500.0000", Until.SESSION),
        ("halt", "all", "max_daily_loss looks wrong, do not trade until I am back", Until.RESUME),
        ("halt", "all", "the day is at -1200.00, max_daily_loss is 1000, and that is too much", Until.RESUME),
        ("halt", "symbol:AAA", "the day is at -1200.00, max_daily_loss is 1000", Until.RESUME),
        ("flatten", "all", "the day is at -1200.00, max_daily_loss is 1000", Until.RESUME),
    ],
)
def test_of_an_old_journal_the_very_words_of_the_old_rule_say_how_long_its_halt_lasted(
    verb: str, scope: str, reason: str, until: Until
) -> None:
    assert lasted_until(verb, scope, reason) is until


@pytest.mark.parametrize("text", ["all", "account", "symbol:AAA", "strategy:path/to/file.py:Class", "symbol:", "so"])
def test_a_scope_is_written_as_it_was_read(text: str) -> None:
    scope = Scope.parse(text)
    assert (str(scope), Scope.parse(str(scope)), pickle.loads(pickle.dumps(scope))) == (text, scope, scope)
    assert scope.is_wide is (not text.startswith(("symbol:A", "strategy:")))


def test_a_scope_is_no_mutable_thing() -> None:
    with pytest.raises(AttributeError):
        Scope.symbol("AAA").name = "BBB"


def test_halts_tell_what_stands_who_called_it_and_which_flattens_were_carried_out() -> None:
    found = Halts()
    assert found.are_none
    found.apply(Command(verb=Verb.HALT, reason="odd", scope=Scope.symbol("AAA"), id="h1", control="incident"))
    assert not found.are_none
    assert (found.flatten_ids, found.flattened_by("incident")) == (set(), False)
    found.apply(Command(verb=Verb.FLATTEN, id="f1", control="daily_loss", until=Until.SESSION))
    assert (found.flatten_ids, found.flattened_by("daily_loss"), found.flattened_by("")) == ({"f1"}, True, False)
    assert [found.has(scope) for scope in (Scope.symbol("AAA"), EVERYTHING, Scope.symbol("BBB"))] == [True, True, False]
    assert found.of_all == "flattened", "which has no reason of its own"
    found.end_session()
    assert (found.are_none, found.has(EVERYTHING), found.flatten_ids) == (False, False, {"f1"})
    found.apply(Command(verb=Verb.RESUME, scope=Scope.symbol("AAA")))
    assert found.are_none


def test_of_two_commands_as_strong_the_later_one_says_why() -> None:
    found = Halts()
    for reason in ("by hand", "by another hand"):
        found.apply(Command(verb=Verb.HALT, reason=reason))
    assert [command.reason for command in found.active_commands] == ["by another hand"]
    found.apply(Command(verb=Verb.STOP))
    assert found.of_all == "by another hand", "a stop changes nothing"


def test_the_session_that_ends_leaves_no_halt_where_none_else_stands() -> None:
    found = Halts([Command(verb=Verb.HALT, reason="the loss", until=Until.SESSION)])
    assert [command.reason for command in found.end_session()] == ["the loss"]
    assert found.are_none
