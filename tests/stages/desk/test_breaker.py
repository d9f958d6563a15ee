"""The reject breaker: what the venue refuses halts its strategy, its symbol or everything, and nothing else does."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stages.desk.test_desk import OPEN, Room, submitted
from tradebot.clock import SECOND
from tradebot.domain.control import Scope, Verb
from tradebot.domain.messages import Action, Command, SessionBegins, Signal, Signals
from tradebot.domain.order import Order, OrderEvent, OrderFact, OrderKind, OrderRequest, OrderState, Purpose, Side
from tradebot.stages.desk.breaker import WINDOW, Breaker, scope_of
from tradebot.stages.desk.desk import DeskOutput
from tradebot.stages.desk.ordering import DeskSettings

D = Decimal
E = OrderEvent


def breaker(*, in_a_row: int = 100, in_a_minute: int = 100, of_account: int = 100) -> Breaker:
    return Breaker(
        DeskSettings(
            order_notional=D(1), max_rejects_in_a_row=in_a_row, max_rejects_per_minute=in_a_minute,
            max_account_rejects_per_minute=of_account,
        )
    )  # fmt: skip


def refused(strategy: str = "s", symbol: str = "AAA", purpose: Purpose = Purpose.ENTRY) -> Order:
    request = OrderRequest(
        order_id="T1", symbol=symbol, exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET, quantity=D(1),
        purpose=purpose, strategy=strategy,
    )  # fmt: skip
    return Order(request, OrderState.REJECTED, D(1), reason="no margin")


def scopes(tripped: list) -> list[str]:
    return [str(trip.scope) for trip in tripped]


def test_each_strategy_has_a_row_of_its_own() -> None:
    b = breaker(in_a_row=2)
    assert [scopes(b.rejected(refused(name), 0)) for name in "abc"] == [[], [], []]
    (trip,) = b.rejected(refused("b"), 0)
    assert trip == ("2 entries of strategy:b in a row were rejected, the last because: no margin", Scope.strategy("b"))


def test_a_fill_ends_the_row_of_its_strategy_and_of_no_other() -> None:
    b = breaker(in_a_row=2)
    for name in "ab":
        b.rejected(refused(name), 0)
    b.filled(refused("a").request)
    assert [scopes(b.rejected(refused(name), 0)) for name in "ab"] == [[], ["strategy:b"]]


def test_rejections_between_fills_count_within_a_minute_of_our_own_time() -> None:
    def last(*at: float) -> list[str]:
        b = breaker(in_a_minute=3)
        for when in at:
            tripped = b.rejected(refused(), int(when * SECOND))
            b.filled(refused().request)
        return scopes(tripped)

    assert last(0, 30, 59.9) == ["strategy:s"]
    assert last(0, 30, 60) == []
    assert last(0, 30, 60, 89.9) == ["strategy:s"]


def test_the_account_counts_what_the_strategies_have_together() -> None:
    b = breaker(of_account=3)
    tripped = [scopes(b.rejected(refused(name), n * SECOND)) for n, name in enumerate("abc")]
    assert tripped == [[], [], ["all"]]


def test_exits_count_for_their_symbol_whoever_wanted_them() -> None:
    b = breaker(in_a_row=3)
    for strategy, purpose in (("a", Purpose.EXIT), ("", Purpose.EXIT)):
        assert b.rejected(refused(strategy, "AAA", purpose), 0) == []
    assert scopes(b.rejected(refused("", "AAA", Purpose.FLATTEN), 0)) == ["symbol:AAA"]


def test_what_was_placed_elsewhere_does_not_count() -> None:
    b = breaker(in_a_row=2)
    b.rejected(refused("", "AAA", Purpose.STOP), 0)
    outside, fact = refused("", "AAA", Purpose.EXTERNAL), OrderFact(order_id="T1", event=E.SEEN_REJECTED, at=0)
    for event in (E.SEEN_REJECTED, E.EXECUTED, E.SEEN_REJECTED):
        works = msgspec.structs.replace(outside, state=OrderState.OPEN)
        assert b.heard(works, msgspec.structs.replace(fact, event=event), outside) == ()
    assert scopes(b.rejected(refused("", "AAA", Purpose.STOP), 0)) == ["symbol:AAA"]


def test_what_tripped_begins_anew() -> None:
    b = breaker(in_a_row=2, in_a_minute=2)
    tripped = [scopes(b.rejected(refused(), n)) for n in range(4)]
    assert tripped == [[], ["strategy:s"], [], ["strategy:s"]]


def test_times_from_before_a_boot_are_none_of_this_minute() -> None:
    b = breaker(in_a_minute=3)
    for _ in range(2):
        b.rejected(refused(), 10**6 * SECOND)
    assert [scopes(b.rejected(refused(), n * SECOND)) for n in range(3)] == [[], [], ["strategy:s"]]


ops = st.tuples(
    st.sampled_from(["reject", "reject", "reject", "fill"]),
    st.sampled_from(["a", "b", ""]),
    st.sampled_from([Purpose.ENTRY, Purpose.EXIT, Purpose.STOP]),
    st.sampled_from([0, 1, 20 * SECOND, WINDOW - 1, WINDOW]),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.tuples(*[st.integers(1, 5)] * 3), st.lists(ops, max_size=60))
def test_it_trips_exactly_where_the_whole_history_says_so(
    limits: tuple[int, int, int], history: list[tuple[str, str, Purpose, int]]
) -> None:
    b = breaker(in_a_row=limits[0], in_a_minute=limits[1], of_account=limits[2])
    rows: dict[str, int] = defaultdict(int)
    times: dict[str, list[int]] = defaultdict(list)
    mono = 0
    for op, strategy, purpose, later in history:
        mono += later
        order = refused(strategy, "AAA", purpose)
        scope = str(scope_of(order.request))
        if op == "fill":
            b.filled(order.request)
            rows[scope] = 0
            continue
        rows[scope] += 1
        for name in (scope, "all"):
            times[name].append(mono)
        expected = {"all"} if within(times["all"], mono) >= limits[2] else set()
        if rows[scope] >= limits[0] or within(times[scope], mono) >= limits[1]:
            expected.add(scope)
        assert set(scopes(b.rejected(order, mono))) == expected
        for name in expected:
            rows[name], times[name] = 0, []
        assert all(len(kept) <= max(limits) for kept in b._times.values())


def within(times: list[int], mono: int) -> int:
    return sum(mono - at < WINDOW for at in times)


# ---- with the desk around it


def signal(room: Room, symbol: str, strategy: str, action: Action = Action.ENTER_LONG) -> list[DeskOutput]:
    room.quote(symbol, "1000")
    made = Signal(
        signal_id=f"{symbol}-{strategy}-{room.mono}", strategy=strategy, symbol=symbol, action=action, bar_at=room.at,
        quoted_at=room.mono, made_at=room.mono,
    )  # fmt: skip
    return room.desk.apply(Signals(at=room.at, interval=60 * SECOND, signals=(made,)))


def refuse(room: Room, outputs: list[DeskOutput]) -> list[DeskOutput]:
    (request,) = submitted(outputs)
    room.outcome(request, E.SENDING)
    said = room.outcome(request, E.REFUSED)
    room.tick(6)
    return said


def halts(outputs: list[DeskOutput]) -> list[str]:
    return [str(o.scope) for o in outputs if isinstance(o, Command)]


def test_the_entries_of_a_strategy_that_is_refused_again_and_again_stop_and_those_of_others_go_on() -> None:
    room = Room(max_rejects_in_a_row=2)
    assert halts(refuse(room, signal(room, "AAA", "a"))) == []
    assert halts(refuse(room, signal(room, "BBB", "a"))) == ["strategy:a"]
    assert submitted(signal(room, "AAA", "a")) == []
    assert len(submitted(signal(room, "BBB", "b"))) == 1


def test_after_a_resume_a_strategy_has_all_its_tries_again() -> None:
    room = Room(max_rejects_in_a_row=2)
    for _ in range(2):
        refuse(room, signal(room, "AAA", "a"))
    room.desk.apply(Command(verb=Verb.RESUME, scope=Scope.parse("strategy:a")))
    assert halts(refuse(room, signal(room, "AAA", "a"))) == []
    assert halts(refuse(room, signal(room, "AAA", "a"))) == ["strategy:a"]


@pytest.mark.parametrize("scope", ["strategy:a", "all"])
def test_what_was_on_its_way_when_its_strategy_was_halted_does_not_count_after_the_resume(scope: str) -> None:
    room = Room(max_rejects_in_a_row=2)
    for symbol in ("AAA", "BBB"):
        room.quote(symbol, "1000")
    under_way = [submitted(signal(room, symbol, "a"))[0] for symbol in ("AAA", "BBB")]
    room.desk.apply(Command(verb=Verb.HALT, scope=Scope.parse("strategy:a")))
    for request in under_way[:1]:
        room.outcome(request, E.SENDING)
        room.outcome(request, E.REFUSED)
    room.desk.apply(Command(verb=Verb.RESUME, scope=Scope.parse(scope)))
    room.tick(6)
    assert halts(refuse(room, signal(room, "AAA", "a"))) == []


def test_on_another_day_everybody_has_all_tries_again() -> None:
    room = Room(max_rejects_in_a_row=2)
    refuse(room, signal(room, "AAA", "a"))
    opens_at = OPEN + 86_400 * SECOND
    room.tick(86_400)
    closes_at = opens_at + 22_500 * SECOND
    room.desk.apply(
        SessionBegins(opens_at=opens_at, closes_at=closes_at, entries_until=closes_at, square_off_at=closes_at)
    )
    assert halts(refuse(room, signal(room, "AAA", "a"))) == []


def test_an_exit_that_is_refused_for_minutes_halts_its_symbol_alone_and_is_tried_on() -> None:
    room = Room()
    room.bought()
    said = room.signal("AAA", Action.EXIT_LONG)
    tries, halted = 0, []
    for _ in range(3000):
        for request in submitted(said):
            tries += 1
            room.outcome(request, E.SENDING)
            halted += halts(room.outcome(request, E.REFUSED))
        room.quote("AAA", "1000")
        said = room.tick(0.1)
    assert tries > 10
    assert halted == ["symbol:AAA"]
    assert len(submitted(signal(room, "BBB", "s"))) == 1


def test_what_was_refused_today_counts_on_after_a_restart_and_what_was_refused_yesterday_does_not() -> None:
    for opens_at, expected in ((OPEN, ["strategy:a"]), (OPEN + 86_400 * SECOND, [])):
        room = Room(max_rejects_in_a_row=2)
        facts = [o for o in signal(room, "AAA", "a") if isinstance(o, OrderFact)]
        (intent,) = facts
        facts += [
            msgspec.structs.replace(intent, event=event, request=None, checks=()) for event in (E.SENDING, E.REFUSED)
        ]
        fresh = Room(max_rejects_in_a_row=2)
        fresh.desk.recover(facts, adopted=(), halted="", opens_at=opens_at)
        fresh.desk._ordering._counter = 1
        assert halts(refuse(fresh, signal(fresh, "BBB", "a"))) == expected


def test_what_tripped_in_an_earlier_run_and_was_resumed_is_not_halted_by_a_restart() -> None:
    room = Room(max_rejects_in_a_row=1)
    (intent,) = [o for o in signal(room, "AAA", "a") if isinstance(o, OrderFact)]
    ends = [msgspec.structs.replace(intent, event=event, request=None, checks=()) for event in (E.SENDING, E.REFUSED)]
    fresh = Room(max_rejects_in_a_row=1)
    fresh.desk.recover([intent, *ends], adopted=(), halted="", opens_at=OPEN)
    assert not fresh.desk.conditions.halts
