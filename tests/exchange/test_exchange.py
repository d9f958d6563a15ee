"""The exchange as a client meets it: the counter, the life of an order, latency and races, the end of the day."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.market_by_hand import CLOSES_AT, OPENS_AT, UNIVERSE, Market, row, ticket
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.order import OrderKind, Validity
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.latency import Latency
from tradebot.exchange.order_rules import OrderRules
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.refusals import RefusalCode as Code
from tradebot.venues.kite.rules import STOP_MARKET

D = Decimal
SLOW = Latency(to_exchange_s=0.030, back_s=0.020)


@pytest.fixture
def market():
    return Market()


REFUSALS = [
    (ticket(symbol="WIPRO", price=100), Code.UNKNOWN_INSTRUMENT, "WIPRO is not traded on NSE"),
    (ticket(exchange="BSE", price=100), Code.UNKNOWN_INSTRUMENT, "RELIANCE is not traded on BSE"),
    (ticket(symbol="NIFTY 50", price=100), Code.NOT_TRADABLE, "index"),
    (ticket(quantity=0, price=100), Code.BAD_QUANTITY, "above zero"),
    (ticket(quantity="1.5", price=100), Code.OFF_LOT, "a multiple of 1"),
    (ticket(quantity="NaN", price=100), Code.BAD_QUANTITY, "above zero"),
    (ticket(), Code.BAD_PRICE, "the price"),
    (ticket(price=100.02), Code.OFF_TICK, "the price should be a multiple of 0.05"),
    (ticket(price=89.95), Code.BELOW_BAND, "below 90"),
    (ticket(price=110.05), Code.ABOVE_BAND, "above 110"),
    (ticket(kind="MARKET", protection_pct=None), Code.UNPROTECTED, "needs protection"),
    (ticket(kind="MARKET", protection_pct=D(0)), Code.UNPROTECTED, "needs protection"),
    (ticket(kind="SL-M", trigger=101, protection_pct=None), Code.UNPROTECTED, "needs protection"),
    (ticket(kind="SL-M"), Code.BAD_PRICE, "the trigger price"),
    (ticket(kind="SL-M", trigger=99), Code.TRIGGER_TOO_LOW, "above the last price (100.00)"),
    (ticket("SELL", kind="SL-M", trigger=101), Code.TRIGGER_TOO_HIGH, "below the last price"),
    (ticket(kind="SL", price=101, trigger=102), Code.TRIGGER_ABOVE_LIMIT, "cannot be above its limit"),
    (ticket("SELL", kind="SL", price=99, trigger=98), Code.TRIGGER_BELOW_LIMIT, "cannot be below its limit"),
    (ticket(price=100, tag="a-b"), Code.BAD_TAG, "at most 20"),
    (ticket(price=100, tag="x" * 21), Code.BAD_TAG, "at most 20"),
    (ticket(price=100, product="NRML"), Code.BAD_PRODUCT, "CNC or MIS"),
    (ticket(price=100, variety="amo"), Code.UNKNOWN_VARIETY, "amo"),
    (ticket("SELL", price=100, product="CNC"), Code.NOT_HELD, "10 is more than the 0"),
]


@pytest.mark.parametrize(("wish", "code", "message"), REFUSALS)
def test_the_counter_refuses_and_books_nothing(market, wish, code, message):
    with pytest.raises(ExchangeRefusal, match=message.replace("(", r"\(").replace(")", r"\)")) as refusal:
        market.exchange.place_order(wish)
    assert refusal.value.code is code
    assert market.exchange.latest_orders() == []


@pytest.mark.parametrize("at", [OPENS_AT - 1, CLOSES_AT])
def test_the_counter_is_closed_outside_the_session(market, at):
    market.clock.now_ns = at
    with pytest.raises(ExchangeRefusal, match="the market is closed"):
        market.exchange.place_order(ticket(price=100))


def test_place_answers_before_the_order_is_live_and_the_states_follow(market):
    ack = market.exchange.place_order(ticket(price=99))
    assert (ack.status, ack.pending, ack.exchange_order_id) == ("received", 10, "")
    market.to(0)
    assert market.statuses(ack.order_id) == [
        "received",
        "checking",
        "opening",
        "open",
    ]
    assert market.versions == market.exchange.order_history(ack.order_id)
    assert market.order(ack.order_id).exchange_order_id


def test_ids_look_like_kites_and_are_never_used_twice(market):
    ids = [market.place(price=99) for _ in range(3)]
    assert ids == ["260901000000001", "260901000000002", "260901000000003"]
    exchange_ids = {market.order(i).exchange_order_id for i in ids}
    assert len(exchange_ids) == 3


def test_an_order_without_funds_is_booked_and_then_rejected():
    market = Market(cash=100)
    order_id = market.place(quantity=10, price=99)
    order = market.order(order_id)
    assert market.statuses(order_id) == ["received", "checking", "rejected"]
    assert order.reason.startswith("Insufficient funds. Required margin is 198.00 but available margin is 100.00.")


def test_working_orders_use_up_the_funds():
    market = Market(cash=300)
    first, second = market.place(quantity=10, price=99), market.place(quantity=10, price=99)
    assert (market.order(first).status, market.order(second).status) == ("open", "rejected")

    market.exchange.cancel_order(first)
    market.to(0)
    assert market.order(market.place(quantity=10, price=99)).status == "open"


def test_a_modification_passes_its_states_and_counts(market):
    order_id = market.place(price=99)
    asked = market.exchange.modify_order(order_id, price=D("99.50"))
    assert (asked.status, asked.ticket.price) == ("changing", 99)
    market.to(1)
    order = market.order(order_id)
    assert market.statuses(order_id)[4:] == ["checking change", "changing", "changed", "open"]
    assert (order.ticket.price, order.limit, order.modifications) == (D("99.50"), D("99.50"), 1)


def test_a_modification_that_crosses_the_market_fills(market):
    order_id = market.place(price=99)
    market.exchange.modify_order(order_id, price=D("100.05"))
    market.to(1)
    assert market.order(order_id).status == "filled"


def test_a_limit_order_can_be_turned_into_a_protected_market_order(market):
    order_id = market.place(price=99)
    market.exchange.modify_order(order_id, kind=OrderKind.MARKET, protection_pct=D(1))
    market.to(1)
    order = market.order(order_id)
    assert (order.status, order.ticket.kind, order.ticket.price) == ("filled", "MARKET", None)


def test_a_price_turns_the_rest_of_a_market_order_into_a_limit_order(market):
    order_id = market.place(quantity=150, kind="MARKET")
    market.exchange.modify_order(order_id, price=D("99.00"))
    market.to(1)
    order = market.order(order_id)
    assert (order.filled, order.pending, order.ticket.kind, order.limit) == (100, 50, "LIMIT", D(99))


def test_less_quantity_keeps_the_place_in_the_queue_and_a_new_price_loses_it(market):
    kept, moved = market.place(price=99.95), market.place(price=99.95)  # behind 100
    market.show(1, row(last=99.95, traded=100))
    market.exchange.modify_order(kept, quantity=D(5))
    market.exchange.modify_order(moved, price=D("99.90"))
    market.to(1)
    market.exchange.modify_order(moved, price=D("99.95"))
    market.to(1)
    market.show(2, row(last=99.95, traded=50))
    assert (market.order(kept).status, market.order(moved).filled) == ("filled", 0)


def test_more_quantity_loses_the_place_in_the_queue(market):
    order_id = market.place(price=99.95)  # behind 100
    market.show(1, row(last=99.95, traded=100))
    market.exchange.modify_order(order_id, quantity=D(11))
    market.to(1)
    market.show(2, row(last=99.95, traded=50))
    assert market.order(order_id).filled == 0


def test_the_twenty_sixth_modification_is_refused(market):
    order_id = market.place(price=99)
    for _ in range(25):
        market.exchange.modify_order(order_id, quantity=D(5))
        market.to(1)
    with pytest.raises(ExchangeRefusal, match="changed 25 times"):
        market.exchange.modify_order(order_id, quantity=D(5))


def test_a_modification_without_funds_leaves_the_order_as_it_was():
    market = Market(cash=300)
    order_id = market.place(quantity=10, price=99)
    market.exchange.modify_order(order_id, quantity=D(100))
    market.to(1)
    order = market.order(order_id)
    assert (order.status, order.ticket.quantity, order.pending) == ("open", 10, 10)
    assert order.reason.startswith("Insufficient funds")
    assert market.exchange.account.margin_summary().orders == 198


def test_a_modification_may_use_what_the_order_already_blocks():
    market = Market(cash=300)
    order_id = market.place(quantity=10, price=99)
    market.exchange.modify_order(order_id, quantity=D(15))
    market.to(1)
    assert (market.order(order_id).pending, market.exchange.account.used_margin) == (15, 297)


def test_a_stop_can_be_moved(market):
    order_id = market.place("SELL", 10, "SL-M", trigger=99)
    market.exchange.modify_order(order_id, trigger_price=D("99.50"))
    market.to(1)
    assert market.order(order_id).status == "awaiting trigger"
    market.show(2, row(last=99.50))
    assert market.order(order_id).status == "filled"


def test_a_cancel_passes_its_state(market):
    order_id = market.place(price=99)
    assert market.exchange.cancel_order(order_id).status == "cancelling"
    market.to(1)
    order = market.order(order_id)
    assert (order.status, order.cancelled, order.pending, order.reason) == ("cancelled", 10, 0, "")


def test_an_order_that_ended_can_neither_be_cancelled_nor_modified(market):
    order_id = market.place(price=100.05)
    with pytest.raises(ExchangeRefusal, match="it is filled"):
        market.exchange.cancel_order(order_id)
    with pytest.raises(ExchangeRefusal, match="it is filled"):
        market.exchange.modify_order(order_id, price=D(99))
    with pytest.raises(ExchangeRefusal, match="there is no order 1"):
        market.exchange.cancel_order("1")


def test_a_second_request_waits_for_the_first(market):
    order_id = market.place(price=99)
    market.exchange.modify_order(order_id, quantity=D(5))
    with pytest.raises(ExchangeRefusal, match="on its way"):
        market.exchange.modify_order(order_id, quantity=D(6))
    market.exchange.cancel_order(order_id)
    with pytest.raises(ExchangeRefusal, match="on its way"):
        market.exchange.cancel_order(order_id)
    market.to(1)
    assert market.statuses(order_id)[-1] == "cancelled"


def test_an_order_takes_its_way_to_the_exchange_and_the_answer_its_way_back():
    market = Market(latency=SLOW)
    order_id = market.exchange.place_order(ticket(price=100.05)).order_id
    market.to(0.049)
    assert market.order(order_id).status == "received"
    market.to(0.050)
    order = market.order(order_id)
    assert (order.status, order.changed_at - OPENS_AT) == ("filled", 30_000_000)
    assert market.exchange.trade_rows()[0].traded_at == OPENS_AT + 30_000_000


def test_latency_is_in_wall_seconds_so_a_faster_clock_stretches_it_in_market_time():
    market = Market(latency=SLOW)
    market.clock.speed = 60.0
    order_id = market.exchange.place_order(ticket(price=100.05)).order_id
    market.to(2.9)
    assert market.order(order_id).status == "received"
    market.to(3.0)
    assert market.order(order_id).status == "filled"


def test_the_price_may_move_while_an_order_is_on_its_way():
    market = Market(latency=SLOW)
    order_id = market.exchange.place_order(ticket(price=100.05)).order_id
    market.show(0.010, row(last=101, asks=((101.05, 100),)))
    market.to(1)
    assert (market.order(order_id).status, market.fills()) == ("open", [])


def test_one_long_step_meets_the_same_prices_as_many_short_ones():
    fills = []
    for stops in ([3], [0.030, 0.5, 1, 1.5, 2, 3]):
        market = Market(latency=SLOW)
        market.exchange.place_order(ticket(price=100.05))
        market.source.show(OPENS_AT + SECOND, row(last=101, asks=((101.05, 100),)))
        market.source.show(OPENS_AT + 2 * SECOND, row(last=98, asks=((98.05, 100),)))
        for second in stops:
            market.to(second)
        fills.append(market.exchange.trade_rows())
    assert fills[0] == fills[1]
    assert fills[0][0].price == D("100.05")


def test_a_fill_can_win_the_race_against_a_cancel():
    market = Market(latency=SLOW)
    order_id = market.exchange.place_order(ticket(price=99)).order_id
    market.to(1)
    market.exchange.cancel_order(order_id)
    market.show(1.010, row(last=98, asks=((98.05, 100),)))
    market.to(2)
    assert market.statuses(order_id)[-2:] == ["cancelling", "filled"]
    assert market.order(order_id).filled == 10


def test_a_partial_fill_before_a_cancel_is_kept_and_told_first():
    market = Market(latency=SLOW)
    order_id = market.exchange.place_order(ticket(price=99)).order_id
    market.to(1)
    market.exchange.cancel_order(order_id)
    market.show(1.010, row(last=99, asks=((99.00, 4),)))
    market.to(2)
    last_two = market.exchange.order_history(order_id)[-2:]
    assert [(v.status, v.filled) for v in last_two] == [("cancelling", 4), ("cancelled", 4)]


def test_requests_arrive_in_the_order_they_were_sent_whatever_the_jitter():
    market = Market(latency=Latency(to_exchange_s=0.001, jitter_s=0.5))
    for _ in range(20):
        order_id = market.exchange.place_order(ticket(price=99)).order_id
        market.exchange.cancel_order(order_id)
    market.to(30)
    assert {order.status for order in market.exchange.latest_orders()} == {"cancelled"}


def test_day_orders_lapse_at_the_close_and_nothing_fills_afterwards(market):
    order_id = market.place(price=99)
    market.show((CLOSES_AT - OPENS_AT) // SECOND + 1, row(last=98, traded=500, asks=((98.05, 100),)))
    order = market.order(order_id)
    assert (order.status, order.filled, order.changed_at) == ("cancelled", 0, CLOSES_AT)
    assert order.reason == "order lapsed at the end of the session"


def test_an_order_that_arrives_after_the_close_is_rejected():
    market = Market(latency=SLOW)
    length = (CLOSES_AT - OPENS_AT) / SECOND
    market.to(length - 0.010)
    order_id = market.exchange.place_order(ticket(price=99)).order_id
    market.to(length + 1)
    assert (market.order(order_id).status, market.order(order_id).reason) == ("rejected", "the market is closed")


def test_listeners_see_the_snapshot_before_the_fill_it_brings(market):
    seen = []
    market.exchange.snapshot_listeners.append(lambda s: seen.append(int(s.last[0])))
    market.exchange.order_listeners.append(lambda order: seen.append(order.status.value))
    market.place(price=99)
    seen.clear()
    market.show(1, row(last=98, asks=((98.05, 100),)))
    assert seen == [9_800, "filled"]


def test_the_state_always_holds_the_newest_row(market):
    market.show(1, row(0, last=101), row(1, last=105), row(0, last=102))
    assert market.exchange.latest_columns["last"].tolist() == [10_200, 10_500, 10_000]


async def test_run_follows_the_clock_until_the_source_is_finished(tmp_path):
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        market = Market(log=log)
        for second in (1, 2):
            market.source.show(OPENS_AT + second * SECOND, row(last=100 + second))
        async with asyncio.timeout(10):
            await market.exchange.run_session()
    assert int(market.exchange.latest_columns["last"][0]) == 10_200
    assert '"reason":"finished"' in path.read_text().splitlines()[-1]


async def test_run_lets_the_last_order_arrive_before_it_closes():
    market = Market(latency=SLOW)
    order_id = market.exchange.place_order(ticket(price=100.05)).order_id
    async with asyncio.timeout(10):
        await market.exchange.run_session()
    assert market.order(order_id).status == "filled"


async def test_a_cancelled_run_delivers_what_was_on_its_way_and_ends_the_log(tmp_path):
    path = tmp_path / "exchange.jsonl"
    on_its_way = asyncio.Event()

    async def stop_at_the_exchange(seconds):
        if market.clock.now_ns >= OPENS_AT + 35_000_000:
            on_its_way.set()
            await asyncio.Event().wait()

    with EventLog(path) as log:
        market = Market(log=log, latency=SLOW)
        market.source.show(CLOSES_AT, row(last=100))
        market.clock.on_sleep = stop_at_the_exchange
        order_id = market.exchange.place_order(ticket(price=99)).order_id
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):
            running = tasks.create_task(market.exchange.run_session())
            await on_its_way.wait()
            assert market.order(order_id).status == "received"
            running.cancel()
    assert market.order(order_id).status == "open"
    assert '"reason":"stopped"' in path.read_text().splitlines()[-1]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(["BUY", "SELL"]), st.integers(1, 80), st.integers(-20, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("modify"), st.integers(0, 9), st.integers(-20, 20)),
        st.tuples(st.just("row"), st.integers(-20, 20), st.integers(0, 120), st.integers(1, 90)),
    ),
    max_size=25,
)


def play(actions, log=None, seed=3):
    market = Market(cash=100_000, latency=Latency(to_exchange_s=0.3, back_s=0.4, jitter_s=0.5), log=log, seed=seed)
    for number, action in enumerate(actions, 1):
        match action:
            case ("place", side, quantity, ticks):
                validity = Validity.IOC if quantity % 7 == 0 else Validity.DAY
                market.exchange.place_order(ticket(side, quantity, price=100 + D(ticks) / 20, validity=validity))
            case ("cancel" | "modify" as verb, index, *ticks):
                orders = market.exchange.latest_orders()
                if index < len(orders) and not orders[index].is_ended:
                    try:
                        if verb == "cancel":
                            market.exchange.cancel_order(orders[index].order_id)
                        else:
                            market.exchange.modify_order(orders[index].order_id, price=100 + D(ticks[0]) / 20)
                    except ExchangeRefusal:
                        pass
            case ("row", ticks, traded, size):
                last = 100 + ticks / 20
                depth = {"bids": ((last - 0.05, size),), "asks": ((last + 0.05, size),)}
                market.source.show(OPENS_AT + number * SECOND, row(last=last, traded=traded, **depth))
        market.to(number)
    market.to(len(actions) + 10)
    return market


@given(actions=ACTIONS)
@settings(max_examples=60, deadline=None)
def test_ended_orders_stay_ended_and_fills_never_exceed_the_order(actions):
    market = play(actions)
    for order in market.exchange.latest_orders():
        versions = market.exchange.order_history(order.order_id)
        assert not any(version.is_ended for version in versions[:-1])
        filled = [version.filled for version in versions]
        assert filled == sorted(filled)
        assert order.filled + order.pending + order.cancelled == order.ticket.quantity
    assert market.exchange.account.margin_summary().used >= 0


@given(actions=ACTIONS)
@settings(max_examples=25, deadline=None)
def test_the_same_seed_and_calls_write_the_same_log(actions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    for name in ("first", "second"):
        with EventLog(folder / name) as log:
            play(actions, log).exchange.end_session("done")
    assert (folder / "first").read_bytes() == (folder / "second").read_bytes()


NIFTY_CALL = Instrument(symbol="NIFTY26SEP100CE", exchange="NFO", token=9, kind=InstrumentKind.OPTION)
NIFTY_FUTURE = Instrument(symbol="NIFTY26SEPFUT", exchange="NFO", token=10, kind=InstrumentKind.FUTURE)
BSE_SHARE = Instrument(symbol="RELIANCE", exchange="BSE", token=11)


@pytest.mark.parametrize(
    ("instrument", "is_taken"),
    [(NIFTY_CALL, False), (BSE_SHARE, False), (NIFTY_FUTURE, True), (UNIVERSE.instrument_of("RELIANCE"), True)],
)
def test_a_stop_without_a_limit_is_taken_only_where_the_rules_say_so(instrument, is_taken):
    rules = OrderRules(stop_market=STOP_MARKET)
    market = Market(universe=Universe([instrument]), opening=[row(0, last=100)], rules=rules)
    place = {"symbol": instrument.symbol, "exchange": instrument.exchange}
    stop = market.place("SELL", kind="SL", price=95, trigger=96, **place)
    assert market.order(stop).status == "awaiting trigger"
    if is_taken:
        assert market.place("SELL", kind="SL-M", trigger=96, **place)
        return
    for ask in (
        lambda: market.place("SELL", kind="SL-M", trigger=96, **place),
        lambda: market.exchange.modify_order(stop, kind=OrderKind.STOP_MARKET, protection_pct=D(1)),
    ):
        with pytest.raises(ExchangeRefusal) as refusal:
            ask()
        assert refusal.value.code is Code.NO_STOP_MARKET


def test_a_stop_without_a_limit_can_hang_below_its_protection_when_it_triggers(market):
    order_id = market.place("SELL", 10, "SL-M", trigger=99)
    market.show(1, row(last=98, bids=((97.50, 4), (96.90, 50)), asks=((98.05, 50),)))
    order = market.order(order_id)
    # 1% below the last price that triggered it, rounded to the tick that favours the order: 97.05.
    assert (order.status, order.triggered, order.limit, order.filled, order.pending) == ("open", True, D("97.05"), 4, 6)

    market.exchange.modify_order(order_id, price=D("96.50"), kind=OrderKind.LIMIT)
    market.to(1)
    assert market.order(order_id).status == "filled"


def test_a_stop_moved_beyond_the_market_is_refused_and_stays_where_it_was(market):
    order_id = market.place("SELL", 10, "SL-M", trigger=99)
    with pytest.raises(ExchangeRefusal) as refusal:
        market.exchange.modify_order(order_id, trigger_price=D(100))
    assert refusal.value.code is Code.TRIGGER_TOO_HIGH
    assert market.order(order_id).ticket.trigger_price == 99
    stop = market.place("SELL", 10, "SL", price=98, trigger=99)
    with pytest.raises(ExchangeRefusal) as refusal:
        market.exchange.modify_order(stop, trigger_price=D("97.50"))
    assert refusal.value.code is Code.TRIGGER_BELOW_LIMIT
    market.exchange.modify_order(stop, trigger_price=D("97.50"), price=D(97))
    market.to(1)
    market.show(2, row(last=98))
    assert not market.order(stop).triggered
    market.show(3, row(last=97.50, bids=((97.45, 50),)))
    assert market.order(stop).status == "filled"


def test_a_trailed_stop_may_be_changed_25_times(market):
    order_id = market.place("SELL", 10, "SL-M", trigger=90)
    for step in range(25):
        market.exchange.modify_order(order_id, trigger_price=D(91) + step * D("0.05"))
        market.to(step + 1)
    with pytest.raises(ExchangeRefusal, match="changed 25 times"):
        market.exchange.modify_order(order_id, trigger_price=D(95))
    assert market.order(order_id).ticket.trigger_price == D("92.20")
    market.show(60, row(last=92))
    assert market.order(order_id).triggered


def test_a_triggered_stop_takes_a_new_limit_and_no_new_trigger(market):
    order_id = market.place("SELL", 10, "SL", price=98.50, trigger=99)
    market.show(1, row(last=97, bids=((96.95, 50),)))
    market.exchange.modify_order(order_id, price=D("96.90"), trigger_price=D(95))
    market.to(2)
    assert (market.order(order_id).status, market.order(order_id).average_price) == ("filled", D("96.95"))
