"""The reject breaker: what the venue refuses halts its strategy, its symbol or everything, and nothing else does."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.desk.desk_rig import OPEN, DeskRig, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import EVERYTHING, CommandVerb, Scope
from tradebot.domain.messages import Action, Command, SessionBegins, Signal, Signals
from tradebot.domain.order import (
    Order,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    OrderState,
    Refusal,
    Side,
    VenueOrder,
    VenueOrderStatus,
)
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.rules.reject_breaker import WINDOW_NS, Rejections
from tradebot.trading.desk.settings import DeskSettings

D = Decimal
E = OrderEventType


def breaker(*, in_a_row: int = 100, in_a_minute: int = 100, of_account: int = 100, symbols: int = 100) -> Rejections:
    return Rejections(
        DeskSettings(
            order_notional=D(1), max_rejects_in_a_row=in_a_row, max_rejects_per_minute=in_a_minute,
            max_account_rejects_per_minute=of_account, max_rejected_symbols=symbols,
        )
    )  # fmt: skip


def refused(strategy: str = "s", symbol: str = "AAA", purpose: OrderPurpose = OrderPurpose.ENTRY) -> Order:
    request = OrderRequest(
        order_id="T1", symbol=symbol, exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET, quantity=D(1),
        purpose=purpose, strategy=strategy,
    )  # fmt: skip
    return Order(request, OrderState.REJECTED, D(1), reason="not here")


def scopes(tripped: list) -> list[str]:
    return [str(trip.scope) for trip in tripped]


def test_each_symbol_has_a_row_of_its_own_whoever_wanted_it() -> None:
    b = breaker(in_a_row=2)
    assert [scopes(b.count_rejection(refused(symbol=name), 0)) for name in "ABC"] == [[], [], []]
    (trip,) = b.count_rejection(refused("other", symbol="B"), 0)
    assert trip == ("2 entries of symbol:B in a row were rejected, the last because: not here", Scope.for_symbol("B"))


def test_a_fill_ends_the_row_of_its_symbol_and_of_no_other() -> None:
    b = breaker(in_a_row=2)
    for name in "AB":
        b.count_rejection(refused(symbol=name), 0)
    b.end_streaks(refused(symbol="A").request)
    assert [scopes(b.count_rejection(refused(symbol=name), 0)) for name in "AB"] == [[], ["symbol:B"]]


def test_rejections_between_fills_count_within_a_minute_of_our_own_time() -> None:
    def last(*at: float) -> list[str]:
        b = breaker(in_a_minute=3)
        for when in at:
            tripped = b.count_rejection(refused(), int(when * SECOND))
            b.end_streaks(refused().request)
        return scopes(tripped)

    assert last(0, 30, 59.9) == ["symbol:AAA"]
    assert last(0, 30, 60) == []
    assert last(0, 30, 60, 89.9) == ["symbol:AAA"]


def test_three_symbols_of_a_strategy_within_a_minute_are_the_strategys_mistake() -> None:
    b = breaker(symbols=3)
    told = [("s", "A", 0), ("s", "A", 1), ("s", "B", 2), ("other", "C", 3), ("s", "C", 59), ("s", "A", 59)]
    tripped = [scopes(b.count_rejection(refused(strategy, symbol), at * SECOND)) for strategy, symbol, at in told]
    assert tripped == [[], [], [], [], ["strategy:s"], []]  # and after that it begins again
    b = breaker(symbols=3)
    tripped = [
        scopes(b.count_rejection(refused("s", symbol), at * SECOND)) for symbol, at in (("A", 0), ("B", 1), ("C", 60))
    ]
    assert tripped == [[], [], []]


def test_what_is_refused_for_want_of_funds_counts_for_its_strategy() -> None:
    b = breaker(in_a_row=3, symbols=3)
    tripped = [scopes(b.count_rejection(refused("s", "A"), n, Refusal.FUNDS)) for n in range(3)]
    assert tripped == [[], [], ["strategy:s"]]
    for n, symbol in enumerate("AB"):
        b.count_rejection(refused("s", symbol), n, Refusal.FUNDS)
    b.end_streaks(refused("s", "C").request)
    assert b.count_rejection(refused("s", "C"), 2, Refusal.FUNDS) == []


def test_exits_refused_for_want_of_funds_count_for_their_symbol() -> None:
    b = breaker(in_a_row=1)
    assert scopes(b.count_rejection(refused("", "A", OrderPurpose.EXIT), 0, Refusal.FUNDS)) == ["symbol:A"]


def test_the_account_counts_what_all_have_together() -> None:
    b = breaker(of_account=3)
    tripped = [scopes(b.count_rejection(refused(name, name), n * SECOND)) for n, name in enumerate("abc")]
    assert tripped == [[], [], ["all"]]


def test_entries_and_exits_of_a_symbol_are_one_row() -> None:
    b = breaker(in_a_row=3)
    for strategy, purpose in (("a", OrderPurpose.ENTRY), ("", OrderPurpose.EXIT)):
        assert b.count_rejection(refused(strategy, "AAA", purpose), 0) == []
    assert scopes(b.count_rejection(refused("", "AAA", OrderPurpose.FLATTEN), 0)) == ["symbol:AAA"]


def test_without_a_limit_of_symbols_entries_count_for_their_strategy_as_they_once_did() -> None:
    b = breaker(in_a_row=2, symbols=0)
    assert b.count_rejection(refused("s", "A"), 0) == []
    assert scopes(b.count_rejection(refused("s", "B"), 0)) == ["strategy:s"]


def test_what_was_placed_elsewhere_does_not_count() -> None:
    b = breaker(in_a_row=2)
    b.count_rejection(refused("", "AAA", OrderPurpose.STOP), 0)
    outside, event = refused("", "AAA", OrderPurpose.EXTERNAL), OrderEvent(order_id="T1", type=E.SEEN_REJECTED, at=0)
    for event_type in (E.SEEN_REJECTED, E.EXECUTED, E.SEEN_REJECTED):
        works = msgspec.structs.replace(outside, state=OrderState.OPEN)
        assert b.count_event(works, msgspec.structs.replace(event, type=event_type), outside) == ()
    assert scopes(b.count_rejection(refused("", "AAA", OrderPurpose.STOP), 0)) == ["symbol:AAA"]


def test_the_kind_of_a_refusal_is_read_from_the_answer_or_from_the_venues_list() -> None:
    works = msgspec.structs.replace(refused("s"), state=OrderState.OPEN)
    shown = VenueOrder(
        venue_order_id="V1", tag="T1", symbol="AAA", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET,
        status=VenueOrderStatus.REJECTED, quantity=D(1), filled=D(0), refusal=Refusal.FUNDS,
    )  # fmt: skip
    for event, scope in (
        (OrderEvent(order_id="T1", type=E.REFUSED, at=0, refusal=Refusal.FUNDS), "strategy:s"),
        (OrderEvent(order_id="T1", type=E.SEEN_REJECTED, at=0, venue_order=shown), "strategy:s"),
        (OrderEvent(order_id="T1", type=E.REFUSED, at=0), "symbol:AAA"),
    ):
        assert scopes(breaker(in_a_row=1).count_event(works, event, refused("s"))) == [scope]


def test_what_tripped_begins_anew() -> None:
    b = breaker(in_a_row=2, in_a_minute=2)
    tripped = [scopes(b.count_rejection(refused(), n)) for n in range(4)]
    assert tripped == [[], ["symbol:AAA"], [], ["symbol:AAA"]]


def test_times_from_before_a_boot_are_none_of_this_minute() -> None:
    b = breaker(in_a_minute=3)
    for _ in range(2):
        b.count_rejection(refused(), 10**6 * SECOND)
    assert [scopes(b.count_rejection(refused(), n * SECOND)) for n in range(3)] == [[], [], ["symbol:AAA"]]


ops = st.tuples(
    st.sampled_from(["reject", "reject", "reject", "fill"]),
    st.sampled_from(["a", "b", ""]),
    st.sampled_from(["X", "Y"]),
    st.sampled_from([OrderPurpose.ENTRY, OrderPurpose.EXIT, OrderPurpose.STOP]),
    st.sampled_from([*Refusal]),
    st.sampled_from([0, 1, 20 * SECOND, WINDOW_NS - 1, WINDOW_NS]),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.tuples(*[st.integers(1, 5)] * 3), st.integers(1, 3), st.lists(ops, max_size=60))
def test_it_trips_exactly_where_the_whole_history_says_so(
    limits: tuple[int, int, int], symbols: int, history: list[tuple[str, str, str, OrderPurpose, Refusal, int]]
) -> None:
    b = breaker(in_a_row=limits[0], in_a_minute=limits[1], of_account=limits[2], symbols=symbols)
    rows: dict[str, int] = defaultdict(int)
    times: dict[str, list[int]] = defaultdict(list)
    met: dict[str, list[tuple[str, int]]] = defaultdict(list)
    mono = 0
    for op, strategy, symbol, purpose, refusal, later in history:
        mono += later
        order = refused(strategy, symbol, purpose)
        is_entry = bool(strategy) and purpose is OrderPurpose.ENTRY
        scope = f"strategy:{strategy}" if is_entry and refusal is Refusal.FUNDS else f"symbol:{symbol}"
        if op == "fill":
            b.end_streaks(order.request)
            rows[f"symbol:{symbol}"] = 0
            rows[f"strategy:{strategy}"] *= not is_entry
            continue
        expected = set()
        times["all"].append(mono)
        if within(times["all"], mono) >= limits[2]:
            expected.add("all")
        if is_entry and scope == f"symbol:{symbol}":
            met[strategy].append((symbol, mono))
            if len({s for s, at in met[strategy] if mono - at < WINDOW_NS}) >= symbols:
                expected.add(f"strategy:{strategy}")
        for name in expected - {"all"}:
            rows[name], times[name], met[strategy] = 0, [], []
        rows[scope] += 1
        times[scope].append(mono)
        if rows[scope] >= limits[0] or within(times[scope], mono) >= limits[1]:
            expected.add(scope)
            rows[scope], times[scope] = 0, []
            if scope == f"strategy:{strategy}":
                met[strategy] = []
        if "all" in expected:
            times["all"] = []
        assert set(scopes(b.count_rejection(order, mono, refusal))) == expected
        assert all(len(kept) <= max(limits) for kept in b._times.values())


def within(times: list[int], mono: int) -> int:
    return sum(mono - at < WINDOW_NS for at in times)


# ---- with the desk around it


def signal(rig: DeskRig, symbol: str, strategy: str, action: Action = Action.ENTER_LONG) -> list[DeskOutput]:
    rig.quote(symbol, "1000")
    made = Signal(
        signal_id=f"{symbol}-{strategy}-{rig.mono}", strategy=strategy, symbol=symbol, action=action, bar_at=rig.at,
        quoted_at=rig.mono, made_at=rig.mono,
    )  # fmt: skip
    return rig.desk.apply_message(Signals(at=rig.at, interval=60 * SECOND, signals=(made,)))


def refuse(rig: DeskRig, outputs: list[DeskOutput]) -> list[DeskOutput]:
    (request,) = submitted(outputs)
    rig.outcome(request, E.SENDING)
    said = rig.outcome(request, E.REFUSED)
    rig.tick(6)
    return said


def halts(outputs: list[DeskOutput]) -> list[str]:
    return [str(o.scope) for o in outputs if isinstance(o, Command)]


def test_one_symbol_that_the_venue_will_not_take_is_halted_and_its_strategy_trades_the_others() -> None:
    rig = DeskRig()
    for n in range(3):
        assert halts(refuse(rig, signal(rig, "AAA", "a"))) == ["symbol:AAA"] * (n == 2)
    assert submitted(signal(rig, "AAA", "a")) == []
    assert len(submitted(signal(rig, "BBB", "a"))) == 1


def test_a_strategy_that_is_refused_wherever_it_trades_is_halted() -> None:
    rig = DeskRig(max_rejected_symbols=2)
    assert halts(refuse(rig, signal(rig, "AAA", "a"))) == []
    assert halts(refuse(rig, signal(rig, "BBB", "a"))) == ["strategy:a"]
    assert submitted(signal(rig, "AAA", "a")) == []
    assert len(submitted(signal(rig, "BBB", "b"))) == 1


def test_after_a_resume_a_symbol_has_all_its_tries_again() -> None:
    rig = DeskRig(max_rejects_in_a_row=2)
    for _ in range(2):
        refuse(rig, signal(rig, "AAA", "a"))
    rig.desk.apply_message(Command(verb=CommandVerb.RESUME, scope=Scope.parse("symbol:AAA")))
    assert halts(refuse(rig, signal(rig, "AAA", "a"))) == []
    assert halts(refuse(rig, signal(rig, "AAA", "a"))) == ["symbol:AAA"]


@pytest.mark.parametrize("scope", ["symbol:AAA", "all"])
def test_what_was_on_its_way_when_its_symbol_was_halted_does_not_count_after_the_resume(scope: str) -> None:
    rig = DeskRig(max_rejects_in_a_row=2)
    for symbol in ("AAA", "BBB"):
        rig.quote(symbol, "1000")
    under_way = [submitted(signal(rig, symbol, "a"))[0] for symbol in ("AAA", "BBB")]
    rig.desk.apply_message(Command(verb=CommandVerb.HALT, scope=Scope.parse("symbol:AAA")))
    for request in under_way[:1]:
        rig.outcome(request, E.SENDING)
        rig.outcome(request, E.REFUSED)
    rig.desk.apply_message(Command(verb=CommandVerb.RESUME, scope=Scope.parse(scope)))
    rig.tick(6)
    assert halts(refuse(rig, signal(rig, "AAA", "a"))) == []


def test_on_another_day_everybody_has_all_tries_again() -> None:
    rig = DeskRig(max_rejects_in_a_row=2)
    refuse(rig, signal(rig, "AAA", "a"))
    opens_at = OPEN + 86_400 * SECOND
    rig.tick(86_400)
    closes_at = opens_at + 22_500 * SECOND
    rig.desk.apply_message(
        SessionBegins(opens_at=opens_at, closes_at=closes_at, entries_until=closes_at, square_off_at=closes_at)
    )
    assert halts(refuse(rig, signal(rig, "AAA", "a"))) == []


def test_an_exit_that_is_refused_for_minutes_halts_its_symbol_alone_and_is_tried_on() -> None:
    rig = DeskRig()
    rig.bought()
    said = rig.signal("AAA", Action.EXIT_LONG)
    tries, halted = 0, []
    for _ in range(3000):
        for request in submitted(said):
            tries += 1
            rig.outcome(request, E.SENDING)
            halted += halts(rig.outcome(request, E.REFUSED))
        rig.quote("AAA", "1000")
        said = rig.tick(0.1)
    assert tries > 10
    assert halted == ["symbol:AAA"]
    assert len(submitted(signal(rig, "BBB", "s"))) == 1


def test_what_was_refused_today_counts_on_after_a_restart_and_what_was_refused_yesterday_does_not() -> None:
    for opens_at, expected in ((OPEN, ["symbol:AAA"]), (OPEN + 86_400 * SECOND, [])):
        rig = DeskRig(max_rejects_in_a_row=2)
        events = [o for o in signal(rig, "AAA", "a") if isinstance(o, OrderEvent)]
        (intent,) = events
        events += [
            msgspec.structs.replace(intent, type=event_type, request=None, checks=())
            for event_type in (E.SENDING, E.REFUSED)
        ]
        fresh = DeskRig(max_rejects_in_a_row=2)
        fresh.desk.recover_state(events, adopted=(), halted="", opens_at=opens_at)
        fresh.desk.placement.requests.used_ids = 1
        fresh.tick(6)  # what passed before the restart keeps out the same order for a while
        assert halts(refuse(fresh, signal(fresh, "AAA", "a"))) == expected


def test_what_tripped_in_an_earlier_run_and_was_resumed_is_not_halted_by_a_restart() -> None:
    rig = DeskRig(max_rejects_in_a_row=1)
    (intent,) = [o for o in signal(rig, "AAA", "a") if isinstance(o, OrderEvent)]
    ends = [
        msgspec.structs.replace(intent, type=event_type, request=None, checks=())
        for event_type in (E.SENDING, E.REFUSED)
    ]
    fresh = DeskRig(max_rejects_in_a_row=1)
    fresh.desk.recover_state([intent, *ends], adopted=(), halted="", opens_at=OPEN)
    assert not fresh.desk.book.conditions.halts


def test_a_fill_in_part_ends_the_rows_of_its_order_too() -> None:
    b = breaker(in_a_row=2)
    order = refused()
    b.count_rejection(order, 0)
    assert b.streaks
    live = msgspec.structs.replace(order, state=OrderState.PARTIAL)
    assert b.count_event(live, OrderEvent(order_id="T1", type=E.EXECUTED, at=1), live) == ()
    assert not b.streaks


@pytest.mark.parametrize("way", ["another day", "a resume of everything"])
def test_what_was_refused_before_another_day_or_a_resume_counts_for_nothing(way: str) -> None:
    limits = {"in a minute": breaker(in_a_minute=2), "symbols": breaker(symbols=2), "in a row": breaker(in_a_row=2)}
    for name, b in limits.items():
        assert b.count_rejection(refused(), 1) == []
        if way == "another day":
            b.clear_counts()
        else:
            b.on_resume(EVERYTHING)
        assert b.count_rejection(refused(symbol="BBB" if name == "symbols" else "AAA"), 2) == [], name


@pytest.mark.parametrize(
    ("resumed", "tripped"), [("symbol:AAA", []), ("symbol:CCC", ["strategy:s"]), ("strategy:AAA", ["strategy:s"])]
)
def test_a_symbol_that_a_person_resumes_is_none_of_those_in_which_its_strategy_was_refused(
    resumed: str, tripped: list[str]
) -> None:
    b = breaker(symbols=2)
    b.count_rejection(refused(), 1)
    b.on_resume(Scope.parse(resumed))
    assert scopes(b.count_rejection(refused(symbol="BBB"), 2)) == tripped
