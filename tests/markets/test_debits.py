"""The depository's fee: once a share and day, for what was held overnight; desk and exchange bill it as one."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradebot.clock import DAY, SECOND
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.order import Fill, Order, OrderKind, OrderRequest, OrderState, Side
from tradebot.exchange.account import Account, InstrumentMark, OpeningBalance
from tradebot.exchange.ticket import TradeRow
from tradebot.markets.calendar import ist_date
from tradebot.markets.debits import DematDebits
from tradebot.trading.desk.fill_charges import charges_by_market

D = Decimal
MORNING = 1_787_200_000 * SECOND  # 2026-08-20 in India
FEE = D("15.34")


def fill(n: int, side: str, quantity: int, *, day: int = 0, product: str = "CNC", symbol: str = "TCS") -> Fill:
    return Fill(
        execution_id=str(n), venue_order_id=f"V{n}", symbol=symbol, exchange="NSE", side=Side(side),
        quantity=D(quantity), price=D(1_000), traded_at=MORNING + day * DAY + n * SECOND, product=product,
    )  # fmt: skip


def order_of(fill: Fill) -> Order:
    request = OrderRequest(
        order_id=fill.venue_order_id, symbol=fill.symbol, exchange="NSE", side=fill.side,
        kind=OrderKind.MARKET, quantity=fill.quantity, product=fill.product,
    )  # fmt: skip
    return Order(request=request, state=OrderState.OPEN, quantity=fill.quantity)


def fees(*fills: Fill) -> list[Decimal]:
    """What each fill costs beyond the same fill that no depository sees."""
    universe = Universe([Instrument(symbol="TCS"), Instrument(symbol="INFY")])
    bill = charges_by_market(universe)
    return [bill(order_of(one), one) - _undebited(universe, one) for one in fills]


def _undebited(universe: Universe, fill: Fill) -> Decimal:
    bill = charges_by_market(universe)
    bought = Fill(
        execution_id="b", venue_order_id="b", symbol=fill.symbol, exchange="NSE", side=Side.BUY,
        quantity=D(10**6), price=D(1), traded_at=fill.traded_at, product="CNC",
    )  # fmt: skip
    bill(order_of(bought), bought)  # so much was bought that day that nothing is debited
    return bill(order_of(fill), fill)


def test_a_fill_of_a_week_ago_is_still_known_when_it_is_told_again() -> None:
    debits = DematDebits()
    bought, sold, later = fill(1, "BUY", 10), fill(2, "SELL", 10), fill(3, "SELL", 10, day=7)

    def charges(one: Fill) -> bool:
        return debits.book_delivery(
            symbol=one.symbol, side=one.side, quantity=one.quantity, traded_at=one.traded_at, key=one.fill_key
        )

    assert [charges(one) for one in (bought, sold, later)] == [False, False, True]
    assert not charges(sold), "it was bought that day, and no depository saw it"


def test_six_round_trips_over_nights_pay_six_fees() -> None:
    fills = [fill(n, side, 10, day=2 * n + (side == "SELL")) for n in range(6) for side in ("BUY", "SELL")]

    assert fees(*fills) == [D(0), FEE] * 6
    assert sum(fees(*fills)) == D("92.04")


def test_a_purchase_that_is_sold_on_its_day_pays_none() -> None:
    assert fees(fill(1, "BUY", 10), fill(2, "SELL", 4), fill(3, "SELL", 6)) == [D(0)] * 3


def test_what_is_sold_beyond_it_pays_once_for_share_and_day() -> None:
    fills = [
        fill(1, "BUY", 10), fill(2, "SELL", 11), fill(3, "SELL", 5), fill(4, "SELL", 5, symbol="INFY"),
        fill(5, "SELL", 5, day=1),
    ]  # fmt: skip

    assert fees(*fills) == [D(0), FEE, D(0), FEE, FEE]


def test_an_intraday_sale_pays_none() -> None:
    assert fees(fill(1, "SELL", 5, product="MIS")) == [D(0)]


def test_a_fill_that_is_billed_again_costs_the_same() -> None:
    debits = DematDebits()
    asked = {"symbol": "TCS", "side": Side.SELL, "quantity": D(1), "traded_at": MORNING}

    said = [debits.book_delivery(**asked, key=("NSE", key)) for key in ("a", "b", "a", "b")]

    assert said == [True, False, True, False]


@given(st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 9), st.booleans()), max_size=25))
def test_desk_and_exchange_bill_the_same(steps: list[tuple[str, int, bool]]) -> None:
    mark = InstrumentMark(kind=InstrumentKind.EQUITY, last_price=D(1_000), previous_close=D(1_000))
    account = Account(OpeningBalance(cash=D(10**7)), mark=lambda _: mark, session_day=ist_date(MORNING))
    bill, day = charges_by_market(Universe([Instrument(symbol="TCS")])), 0
    for n, (side, quantity, is_next_day) in enumerate(steps):
        day += is_next_day
        one = fill(n, side, quantity, day=day)
        account.roll_to_day(ist_date(one.traded_at))
        billed = account.book_fill(
            TradeRow(
                trade_id=one.execution_id, order_id=one.venue_order_id, exchange_order_id="", symbol=one.symbol,
                exchange="NSE", product="CNC", side=one.side, quantity=one.quantity, price=one.price,
                traded_at=one.traded_at,
            )
        )  # fmt: skip
        assert bill(order_of(one), one) == billed.total


def test_a_fill_that_is_told_days_late_counts_for_its_own_day() -> None:
    assert fees(fill(1, "BUY", 5), fill(2, "SELL", 5, day=6), fill(3, "SELL", 5)) == [D(0), FEE, D(0)]


def test_the_day_of_a_sale_begins_at_midnight_in_india_to_the_second() -> None:
    midnight = 20_000 * DAY - 19_800 * SECOND
    for bought_at, is_charged in ((midnight, False), (midnight - 1, True)):
        debits, what = DematDebits(), {"symbol": "AAA", "quantity": Decimal(1)}
        debits.book_delivery(side=Side.BUY, traded_at=bought_at, **what)
        assert debits.book_delivery(side=Side.SELL, traded_at=midnight + DAY - 1, **what) is is_charged
