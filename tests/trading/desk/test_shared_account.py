"""What others do in the same account: shown, told, and the bound of our exits; nothing of it is ever traded by us."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.account_day import OPEN, Day, Paper
from tradebot.clock import SECOND
from tradebot.control.status_snapshot import position_rows
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import AccountSnapshot, Action, Command, Incident, ReconciliationResult, ReleasedPosition
from tradebot.domain.order import Fill, OrderRequest, Side, VenuePosition
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import OWNER_EXTERNAL, PositionKey
from tradebot.trading.desk.book.external_positions import ExternalPositions, OwnQuantities
from tradebot.trading.desk.desk import DeskOutput

D = Decimal
MIS, CNC = ("NSE", "AAA", "MIS"), ("NSE", "AAA", "CNC")


def holding(quantity: int = 10, **more: int) -> Day:
    """A day on which we bought in MIS."""
    day = Day(owned=more.get("owned", 0))
    day.signal(Action.ENTER_LONG, quantity)
    day.fill(day.papers[-1], quantity, is_told=True)
    day.pass_time()
    day.look()
    day.pass_time()
    return day


def elsewhere(day: Day, side: Side, product: str, quantity: int, *, is_told: bool = True) -> None:
    day.fill(day.place("", side, product, quantity), quantity, is_told=is_told)
    day.pass_time(0.05)


def exits(day: Day) -> list[OrderRequest]:
    """The exits that left for the venue."""
    orders = day.desk.book.blotter.orders.values()
    return [order.request for order in orders if order.request.purpose.is_exit and order.times.sent_mono]


def flatten(day: Day) -> None:
    day.follow(day.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id=f"f{day.mono}")))


def last_denial(day: Day) -> str:
    return next(o.reason for o in reversed(day.desk.book.blotter.orders.values()) if o.state.value == "DENIED")


def released(outputs: list[DeskOutput]) -> tuple[ReleasedPosition, ...]:
    return next(o.released for o in outputs if isinstance(o, ReconciliationResult))


def test_shares_of_another_product_are_shown_and_stay_out_of_exits_limits_and_what_strategies_are_told() -> None:
    day = holding()
    before = day.desk.book.pnl.day_profit()
    elsewhere(day, Side.BUY, "CNC", 10)
    day.look()
    rows = {(row["product"], row["owner"]): (row["quantity"], row["profit"]) for row in position_rows(day.desk.account)}
    assert rows == {("MIS", "ours"): (10, 0), ("CNC", OWNER_EXTERNAL): (10, None)}
    assert day.desk.account.open_positions() == {"AAA": (10, 100)}
    assert day.desk.book.pnl.day_profit() == before
    assert day.desk.book.blotter.exposure.worst_case("AAA") == (10, 10)
    flatten(day)
    assert [(e.side, e.product, e.quantity) for e in exits(day)] == [(Side.SELL, "MIS", 10)]
    day.fill(day.papers[-1], 10, is_told=True)
    for _ in range(3):
        day.look()
        day.pass_time(3)
        flatten(day)
    assert len(exits(day)) == 1
    assert day.net == {"MIS": 0, "CNC": 10}


@pytest.mark.parametrize("is_told", [True, False])
def test_what_the_owner_closes_of_ours_is_not_closed_again_and_ours_no_more_once_the_books_say_so(
    is_told: bool,
) -> None:
    day = holding()
    elsewhere(day, Side.SELL, "MIS", 10, is_told=is_told)
    flatten(day)
    assert exits(day) == []
    assert last_denial(day).startswith("reduce_only: an exit of 10 exceeds the 0 that is left")
    day.pass_time()
    (part,) = released(day.look())
    assert (part.key.netting_key, part.quantity, part.price) == (MIS, 10, 100)
    assert day.desk.account.open_positions() == {}
    assert day.desk.book.pending_exits.requested == {}
    assert day.desk.book.blotter.external.quantities == {}
    day.follow(day.desk.apply_message(Command(verb=CommandVerb.RESUME)))
    day.pass_time(10)
    day.signal(Action.ENTER_LONG, 5)
    assert day.papers[-1].tag, "the symbol is free again by itself"


def test_of_what_the_owner_closes_in_part_the_rest_is_closed_by_us() -> None:
    day = holding()
    elsewhere(day, Side.SELL, "MIS", 4)
    flatten(day)
    assert [e.quantity for e in exits(day)] == [6]


def test_what_the_owner_converts_is_not_sold_and_is_his() -> None:
    day = holding()
    day.convert("MIS", "CNC", 10)
    flatten(day)
    assert exits(day) == []
    day.pass_time()
    (part,) = released(day.look())
    assert (part.key.netting_key, part.quantity) == (MIS, 10)
    assert day.desk.book.blotter.external.quantities == {CNC: 10}
    assert day.desk.book.conditions.unaccounted == {}


def test_a_position_list_that_lacks_ours_gives_nothing_up_and_closes_nothing() -> None:
    day = holding()
    day.net["MIS"] = 0
    for _ in range(4):
        day.pass_time(5)
        outputs = day.look()
        assert released(outputs) == ()
        flatten(day)
    assert exits(day) == []
    assert day.desk.account.open_positions() == {"AAA": (10, 100)}
    assert day.desk.book.conditions.unaccounted == {"AAA": "NSE:AAA MIS: the venue holds 0, the journal 10"}
    day.net["MIS"] = 10
    day.look()
    day.pass_time()
    assert [e.quantity for e in exits(day)] == [10]


def test_an_order_of_another_hand_that_may_close_ours_counts_as_if_it_had() -> None:
    day = holding()
    paper = day.place("", Side.SELL, "MIS", 7)
    day.fill(paper, 1, is_told=False)
    flatten(day)
    assert [e.quantity for e in exits(day)] == [3]


def test_our_exit_is_taken_back_when_another_hand_closes_what_it_was_for() -> None:
    day = holding()
    flatten(day)
    mine = day.papers[-1]
    elsewhere(day, Side.SELL, "MIS", 3, is_told=False)
    assert mine.is_cancelled
    day.pass_time(2.5)
    assert [e.quantity for e in exits(day)] == [10, 7]


def test_an_order_in_another_product_or_exchange_halts_nothing() -> None:
    day = Day(owned=0)
    day.pass_time()
    elsewhere(day, Side.BUY, "CNC", 10, is_told=False)
    assert day.desk.book.conditions.unaccounted == {}
    assert day.desk.book.conditions.halts.is_empty
    day.signal(Action.ENTER_LONG, 5)
    assert day.papers[-1].tag


def test_an_entry_that_would_close_what_another_hand_opened_is_denied() -> None:
    day = Day(owned=0)
    elsewhere(day, Side.SELL, "MIS", 10)
    day.signal(Action.ENTER_LONG, 5)
    assert last_denial(day).startswith("accounted: an order placed elsewhere")
    day.look()
    day.pass_time(10)
    day.signal(Action.ENTER_LONG, 5)
    assert last_denial(day) == "accounted: -10 is held there that is not ours, and a BUY would close it"
    day.signal(Action.ENTER_SHORT, 5)
    assert day.papers[-1].tag


def test_a_fill_since_the_books_were_asked_can_be_closed_at_once() -> None:
    day = Day(owned=0)
    snapshot = day.books()
    day.pass_time()
    day.signal(Action.ENTER_LONG, 10)
    day.fill(day.papers[-1], 10, is_told=True)
    day.follow(day.desk.apply_message(snapshot))
    flatten(day)
    assert [e.quantity for e in exits(day)] == [10]


def test_to_an_empty_journal_nothing_at_the_venue_is_ours() -> None:
    day = holding()
    again = Day(owned=0)
    again.net, again.papers, again.trades = day.net, day.papers, day.trades
    again.papers[0].tag = "another"
    outputs = again.desk.adopt_snapshot(again.books())
    (report,) = [o for o in outputs if isinstance(o, ReconciliationResult)]
    assert report.adopted == ()
    assert [(p.key.netting_key, p.key.owner, p.quantity) for p in report.external] == [(MIS, OWNER_EXTERNAL, 10)]
    assert again.desk.account.open_positions() == {}
    assert not any(isinstance(o, Incident | Command) for o in outputs)
    flatten(again)
    assert exits(again) == []


def test_shares_bought_on_a_day_before_are_in_the_holdings_and_are_no_difference() -> None:
    day = Day(owned=7)
    assert day.desk.book.blotter.external.quantities == {CNC: 7}
    elsewhere(day, Side.SELL, "CNC", 2)
    outputs = day.look()
    assert [o.differences for o in outputs if isinstance(o, ReconciliationResult)] == [()]
    assert day.desk.book.blotter.external.quantities == {CNC: 5}


def test_what_was_given_up_stays_so_over_a_restart() -> None:
    day = holding()
    elsewhere(day, Side.SELL, "MIS", 4)
    parts = released(day.look())
    again = Day(owned=0)
    again.net, again.papers, again.trades = day.net, day.papers, day.trades
    again.desk.recover_state([*day.said, *parts], adopted=(), halted="", opens_at=OPEN)
    (report,) = [o for o in again.desk.adopt_snapshot(again.books()) if isinstance(o, ReconciliationResult)]
    assert (report.differences, report.released, report.external) == ((), (), ())
    assert again.desk.account.open_positions() == {"AAA": (6, 100)}
    assert again.desk.book.pnl.day_profit() == day.desk.book.pnl.day_profit()


NEXT_DAY = OPEN + 86_400 * SECOND


def morning_after(day: Day, *, opens_at: int, product: str = "MIS", bought: int = 0) -> ReconciliationResult:
    """Start on the records of a day where the venue holds no more than `bought` of another hand today."""
    again = Day(owned=0)
    again.at, again.mono = opens_at + SECOND, day.mono + 100 * SECOND
    again.net, again.papers, again.trades = {product: bought}, [], []
    if bought:
        paper = Paper("V90", "", Side.BUY, product, bought)
        paper.filled = bought
        fill = Fill("e90", "V90", "AAA", "NSE", Side.BUY, D(bought), D(100), again.at, product)
        again.papers, again.trades = [paper], [(paper, fill)]
    again.desk.recover_state(day.said, adopted=(), halted="", opens_at=opens_at)
    (report,) = [o for o in again.desk.adopt_snapshot(again.books()) if isinstance(o, ReconciliationResult)]
    return report


def test_an_intraday_position_that_the_venue_squared_off_overnight_is_given_up_and_no_difference() -> None:
    report = morning_after(holding(), opens_at=NEXT_DAY)
    assert [(part.key.netting_key, part.quantity) for part in report.released] == [(MIS, D(10))]
    assert report.differences == ()


def test_what_another_hand_bought_there_in_the_morning_does_not_stand_in_for_it() -> None:
    report = morning_after(holding(), opens_at=NEXT_DAY, bought=9)
    assert [(part.key.netting_key, part.quantity) for part in report.released] == [(MIS, D(10))]
    assert report.differences == ()
    assert [(held.key.symbol, held.quantity) for held in report.external] == [("AAA", D(9))]


def test_one_of_today_that_a_list_lacks_is_a_difference() -> None:
    report = morning_after(holding(), opens_at=OPEN)
    assert report.released == ()
    assert report.differences == ("NSE:AAA MIS: the venue holds 0, the journal 10",)


def test_a_fill_that_the_first_look_showed_and_the_stream_told_later_counts_once() -> None:
    external, own = ExternalPositions({}), OwnQuantities({}, {})

    def look(asked_at: int, quantity: int) -> None:
        shown = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(quantity), average_price=D(100))
        snapshot = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=(shown,), cash=D(0))
        external.begin_snapshot(asked_at)
        external.apply_snapshot(snapshot, own)
        external.attribute_rests(own, asked_at=asked_at, symbols={"AAA"}, is_traded=lambda line: True)

    look(1, 2)  # the list of positions had the fill already, the list of trades not yet
    external.apply_fill(Fill("7", "V1", "AAA", "NSE", Side.BUY, D(2), D(100), OPEN, "MIS"))
    for asked_at in (2, 3):
        look(asked_at, 2)
    assert external.unexplained_rests() == {}
    assert external.quantities == {MIS: D(2)}
    for asked_at in (4, 5):
        look(asked_at, 5)  # what was never told is a difference, as ever
    assert external.unexplained_rests() == {MIS: D(3)}


@pytest.mark.parametrize(("net", "beyond"), [(0, {}), (10, {}), (4, {MIS: D(-6)})])
def test_positions_may_be_from_before_or_after_a_fill_of_ours_that_the_trades_beside_them_lack(
    net: int, beyond: dict[tuple[str, str, str], Decimal]
) -> None:
    external = ExternalPositions({})
    shown = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(net), average_price=D(100))
    snapshot = AccountSnapshot(asked_at=1, orders=(), fills=(), positions=(shown,), cash=D(0))
    external.begin_snapshot(1)
    external.apply_snapshot(snapshot, OwnQuantities({MIS: D(10)}, late_ours={MIS: D(-10)}))
    assert external.quantities == beyond


@pytest.mark.parametrize("net", [3, 5])
def test_positions_may_be_from_before_or_after_a_fill_of_another_hand(net: int) -> None:
    external = ExternalPositions({})
    external.apply_fill(Fill("7", "V1", "AAA", "NSE", Side.BUY, D(2), D(100), OPEN, "MIS"))
    shown = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(net), average_price=D(100))
    snapshot = AccountSnapshot(asked_at=1, orders=(), fills=(), positions=(shown,), cash=D(0))
    external.apply_snapshot(snapshot, OwnQuantities({MIS: D(3)}, late={MIS: D(2)}))
    assert external.quantities == {MIS: D(2)}


@pytest.mark.parametrize(("ours", "rests"), [(0, {}), (4, {MIS: D(-28)})])
def test_where_nothing_is_ours_two_later_looks_mend_what_the_first_believed(
    ours: int, rests: dict[tuple[str, str, str], Decimal]
) -> None:
    external, own = ExternalPositions({}), OwnQuantities({MIS: D(ours)} if ours else {})
    for asked_at, net in enumerate((30, 2, 2, 2), 1):
        shown = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(net + ours), average_price=D(1))
        snapshot = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=(shown,), cash=D(0))
        external.begin_snapshot(asked_at)
        external.apply_snapshot(snapshot, own)
        external.attribute_rests(own, asked_at=asked_at, symbols={"AAA"}, is_traded=lambda line: True)
    assert external.unexplained_rests() == rests
    assert external.quantities == {MIS: D(2)}


def test_a_part_of_a_share_that_is_more_than_was_believed_is_a_difference() -> None:
    external, own = ExternalPositions({}), OwnQuantities({})
    for asked_at, net in enumerate(("0.75", "1", "1", "1"), 1):
        shown = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(net), average_price=D(1))
        snapshot = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=(shown,), cash=D(0))
        external.begin_snapshot(asked_at)
        external.apply_snapshot(snapshot, own)
        external.attribute_rests(own, asked_at=asked_at, symbols={"AAA"}, is_traded=lambda line: True)
    assert external.unexplained_rests() == {MIS: D("0.25")}


def test_a_fill_of_another_hand_that_the_books_never_show_is_a_difference() -> None:
    external, own = ExternalPositions({}), OwnQuantities({})

    def hear(trade_id: str, quantity: int) -> None:
        external.apply_fill(Fill(trade_id, "V1", "AAA", "NSE", Side.BUY, D(quantity), D(100), OPEN, "MIS"))

    def look(asked_at: int) -> None:
        shown = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(5), average_price=D(100))
        snapshot = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=(shown,), cash=D(0))
        external.begin_snapshot(asked_at)
        external.apply_snapshot(snapshot, own)
        external.attribute_rests(own, asked_at=asked_at, symbols={"AAA"}, is_traded=lambda line: True)

    hear("7", 5)
    look(1)
    hear("8", 3)
    for asked_at in (2, 3, 4):
        look(asked_at)
    assert external.unexplained_rests() == {MIS: D(-3)}


@pytest.mark.parametrize(("held", "beyond", "closable"), [(-10, 4, -6), (-10, -4, -10), (10, -4, 6), (10, 4, 10)])
def test_of_a_short_as_of_a_long_no_more_is_closed_than_the_venue_holds(held: int, beyond: int, closable: int) -> None:
    external, ours = ExternalPositions({}), Position(PositionKey("kite", "NSE", "AAA", "MIS"), D(held), D(100 * held))
    external.quantities[MIS] = D(beyond)
    assert external.closable_quantity(ours) == closable


def test_what_was_converted_is_given_up_whole_though_another_hand_bought_beside_it() -> None:
    external, ours = ExternalPositions({}), Position(PositionKey("kite", "NSE", "AAA", "MIS"), D(19), D(1900))
    own = OwnQuantities({MIS: D(19)}, {})

    def look(asked_at: int, **net: int) -> None:
        shown = tuple(
            VenuePosition(symbol="AAA", exchange="NSE", product=product, quantity=D(n), average_price=D(100))
            for product, n in net.items()
        )
        snapshot = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=shown, cash=D(0))
        external.begin_snapshot(asked_at)
        external.apply_snapshot(snapshot, own)
        external.attribute_rests(own, asked_at=asked_at, symbols={"AAA"}, is_traded=lambda line: line == MIS)

    look(1, MIS=19)
    external.apply_fill(Fill("7", "V1", "AAA", "NSE", Side.BUY, D(5), D(100), OPEN, "MIS"))
    assert external.closable_quantity(ours) == 19
    look(2, MIS=5, CNC=19)
    assert external.closable_quantity(ours) == 0, "the five are theirs"
    look(3, MIS=5, CNC=19)
    assert external.lost_quantity(ours) == 19
    external.take_over_position(MIS, D(19))
    assert external.quantities == {MIS: D(5), CNC: D(19)}
    assert external.unexplained_rests() == {}
    later = Position(PositionKey("kite", "NSE", "AAA", "MIS"), D(7), D(700))
    assert external.lost_quantity(later) == 0, "what is bought after it is not converted"


def test_an_exit_as_large_as_what_we_may_still_close_is_left_to_work() -> None:
    day = holding()
    elsewhere(day, Side.SELL, "MIS", 4)
    flatten(day)
    mine = day.papers[-1]
    assert mine.quantity == 6
    elsewhere(day, Side.BUY, "MIS", 1, is_told=False)
    assert not mine.is_cancelled
    elsewhere(day, Side.SELL, "MIS", 2, is_told=False)
    assert mine.is_cancelled
