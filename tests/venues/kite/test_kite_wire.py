"""Kite's texts: official bodies parse to their values, bad fields are named, requests render to the documented form."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.clock import IST, parse_iso
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.order import Fill, OrderKind, OrderRequest, Refusal, Side, Validity, VenueOrder, VenueOrderStatus
from tradebot.venues.kite.rest import render_form
from tradebot.venues.kite.wire import (
    KiteNotice,
    WireError,
    decode_json,
    parse_candles,
    parse_holdings,
    parse_instruments,
    parse_margins,
    parse_order,
    parse_orders,
    parse_positions,
    parse_profile,
    parse_quotes,
    parse_text,
    parse_trade,
    parse_trades,
    parse_underlyings,
    render_mode,
    render_order,
    render_subscribe,
)

MINUTE = 60_000_000_000
ORDER: dict[str, Any] = {
    "order_id": "300000000000000", "status": "COMPLETE", "exchange": "NSE", "tradingsymbol": "IOC",
    "order_type": "LIMIT", "transaction_type": "BUY", "product": "CNC", "quantity": 1, "price": 109.4,
    "trigger_price": 0, "average_price": 109.35, "filled_quantity": 1, "tag": "abc123", "status_message": None,
    "order_timestamp": "2021-05-31 15:20:28", "exchange_update_timestamp": "2021-05-31 15:20:29",
    "exchange_timestamp": None,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "trade_id": "10000000", "order_id": "200000000000000", "exchange": "NSE", "tradingsymbol": "SBIN",
    "product": "CNC", "average_price": 420.65, "quantity": 1, "transaction_type": "BUY",
    "fill_timestamp": "2021-05-31 09:16:39", "order_timestamp": "09:16:39",
}  # fmt: skip
INFY = Instrument(symbol="INFY", token=408065)


def wire(value: object) -> Any:
    return decode_json(json.dumps(value))


def mock(folder: Path, name: str) -> Any:
    path = folder / "kiteconnect-mocks" / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the official fixtures here")
    return decode_json(path.read_bytes())["data"]


def request(**changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "order_id": "tb26abc0001", "symbol": "INFY", "exchange": "NSE", "side": Side.BUY, "kind": OrderKind.LIMIT,
        "quantity": Decimal(5), "price": Decimal("1573.70"),
    }  # fmt: skip
    return OrderRequest(**(fields | changes))


def test_the_official_order_book_parses_to_its_values(conformance: Path) -> None:
    orders = parse_orders(mock(conformance, "orders.json"))
    first, second = orders[0], orders[1]
    assert len(orders) == 10
    assert (first.status, first.exchange, first.price, first.tag) == (VenueOrderStatus.CANCELED, "CDS", Decimal(72), "")
    assert first.changed_at == parse_iso("2021-05-31 09:18:58", IST)
    assert first.average_price is None
    assert (second.status, second.average_price, second.filled) == (
        VenueOrderStatus.FILLED,
        Decimal("109.4"),
        Decimal(1),
    )
    assert [o.status for o in orders].count(VenueOrderStatus.REJECTED) == 1
    assert next(o.reason for o in orders if o.status is VenueOrderStatus.REJECTED)


def test_the_official_trades_parse_to_their_values(conformance: Path) -> None:
    trades = parse_trades(mock(conformance, "trades.json"))
    sbin = next(trade for trade in trades if trade.execution_id == "10000000")
    assert sbin.price == Decimal("420.65")
    assert sbin.traded_at == parse_iso("2021-05-31T09:16:39+05:30")
    assert trades == sorted(trades, key=lambda trade: trade.traded_at)


def test_the_official_positions_parse_with_flat_ones_included(conformance: Path) -> None:
    positions = parse_positions(mock(conformance, "positions.json"))
    assert (positions[0].symbol, positions[0].quantity) == ("LEADMINI17DECFUT", Decimal(1))
    assert positions[0].average_price == Decimal("161.05")
    assert any(position.quantity == 0 for position in positions)


def test_the_official_holdings_parse_and_t1_counts_as_held(conformance: Path) -> None:
    holdings = parse_holdings(mock(conformance, "holdings_compact.json"))
    assert ("NSE", "BHEL", Decimal(40)) in [(h.exchange, h.symbol, h.quantity) for h in holdings]
    assert {h.exchange for h in holdings} == {"NSE", "BSE"}
    bought = {
        "tradingsymbol": "INFY",
        "exchange": "NSE",
        "quantity": 3,
        "t1_quantity": 7,
        "average_price": Decimal("1500.5"),
    }
    (one,) = parse_holdings([bought])
    assert (one.quantity, one.average_price, one.product) == (10, Decimal("1500.5"), "CNC")
    odd = parse_holdings([bought | {"quantity": None}, bought])
    assert ([row.symbol for row in odd.unread], len(odd)) == (["INFY"], 1)


def test_the_official_margins_give_the_net_with_every_digit(conformance: Path) -> None:
    assert parse_margins(mock(conformance, "margins.json")) == Decimal("99725.05000000002")


def test_the_official_postback_and_profile_parse(conformance: Path) -> None:
    path = conformance / "kiteconnect-mocks" / "postback.json"
    order = parse_order(decode_json(path.read_bytes()))
    assert (order.symbol, order.kind, order.average_price) == ("SBIN", OrderKind.MARKET, Decimal(470))
    profile = parse_profile(mock(conformance, "profile.json"))
    assert (profile.account_id, profile.products) == ("AB1234", ("CNC", "NRML", "MIS", "BO", "CO"))
    assert {"NSE", "BSE"} <= set(profile.exchanges)
    odd = parse_profile({"user_id": "AB1234", "exchanges": "NSE", "products": [1, "MIS"], "meta": None})
    assert (odd.exchanges, odd.products, odd.consent) == ((), ("MIS",), "")


def test_the_official_instruments_parse_to_their_values(conformance: Path) -> None:
    text = (conformance / "kiteconnect-mocks" / "instruments_all.csv").read_text()
    instruments = parse_instruments(text)
    assert len(instruments) == len(text.strip().splitlines()) - 1
    first = instruments[0]
    assert (first.symbol, first.token, first.tick_size) == ("CENTRALBK-BE", 3813889, Decimal("0.05"))
    assert [i.symbol for i in parse_instruments(text, wanted={"EMMBI-BL"})] == ["EMMBI-BL"]


def test_the_official_candles_become_a_series_in_paise(conformance: Path) -> None:
    data = mock(conformance, "historical_minute.json")
    series = parse_candles(data, INFY, interval=MINUTE, start=0, end=1 << 62)
    assert len(series) == len(data["candles"])
    assert series.starts[0] == parse_iso("2017-12-15T09:15:00+05:30")
    assert (series.open[0], series.high[0], series.low[0], series.close[0]) == (170450, 170500, 169925, 170280)
    assert series.volume[0] == 2499


def test_an_order_frame_becomes_an_order() -> None:
    order = parse_text(json.dumps({"type": "order", "data": ORDER}))
    assert isinstance(order, VenueOrder)
    assert (order.tag, order.status, order.average_price) == ("abc123", VenueOrderStatus.FILLED, Decimal("109.35"))
    assert order.changed_at == parse_iso("2021-05-31T15:20:29+05:30")


def test_an_error_frame_becomes_a_notice_on_one_line() -> None:
    assert parse_text('{"type":"error","data":"too many\\n\\u0007tokens"}') == KiteNotice(
        kind="error", text="too many tokens"
    )
    assert isinstance(parse_text('{"type":"instruments_meta","data":{"count":1}}'), KiteNotice)


def test_a_status_never_seen_before_is_live_and_named() -> None:
    order = parse_order(wire(ORDER | {"status": "WAITING FOR GODOT"}))
    assert order.status is VenueOrderStatus.ACKED
    assert "WAITING FOR GODOT" in order.reason


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("PUT ORDER REQ RECEIVED", VenueOrderStatus.ACKED), ("VALIDATION PENDING", VenueOrderStatus.ACKED),
        ("OPEN PENDING", VenueOrderStatus.ACKED), ("AMO REQ RECEIVED", VenueOrderStatus.ACKED),
        ("UPDATE", VenueOrderStatus.ACKED), ("OPEN", VenueOrderStatus.OPEN), ("MODIFY PENDING", VenueOrderStatus.OPEN),
        ("MODIFIED", VenueOrderStatus.OPEN),
        ("MODIFY VALIDATION PENDING", VenueOrderStatus.OPEN), ("CANCEL PENDING", VenueOrderStatus.OPEN),
        ("TRIGGER PENDING", VenueOrderStatus.PENDING_TRIGGER), ("COMPLETE", VenueOrderStatus.FILLED),
        ("CANCELLED", VenueOrderStatus.CANCELED), ("REJECTED", VenueOrderStatus.REJECTED),
    ],
)  # fmt: skip
def test_every_documented_status_has_its_meaning(name: str, status: VenueOrderStatus) -> None:
    order = parse_order(wire(ORDER | {"status": name}))
    assert (order.status, order.reason) == (status, "")


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("Insufficient funds. Required margin is 95417.84 but available margin is 74251.80.", Refusal.FUNDS),
        ("RMS:Margin Exceeds,Required:1200, Available:900 for entity account-AB1234", Refusal.FUNDS),
        ("RMS:Rule: Check circuit limit including square off order exceeds", Refusal.ORDER),
        ("MIS orders are not allowed for this instrument", Refusal.ORDER), ("", Refusal.ORDER),
    ],
)  # fmt: skip
def test_a_rejection_says_in_a_field_whether_the_money_is_missing(text: str, refusal: Refusal) -> None:
    assert parse_order(wire(ORDER | {"status": "REJECTED", "status_message": text})).refusal is refusal
    assert parse_order(wire(ORDER | {"status_message": text})).refusal is None


@pytest.mark.parametrize("key", ["order_id", "status", "tradingsymbol", "exchange", "transaction_type", "order_type",
                                 "product", "quantity", "filled_quantity"])  # fmt: skip
def test_an_order_without_a_field_it_needs_names_the_field(key: str) -> None:
    with pytest.raises(WireError, match=key):
        parse_order(wire({k: v for k, v in ORDER.items() if k != key}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("quantity", "1"), ("quantity", True), ("quantity", 1e16), ("quantity", None),
        ("price", "12"), ("price", 1e-20),
        ("transaction_type", "HOLD"), ("order_type", 3), ("order_timestamp", "yesterday"), ("order_timestamp", 5),
        ("order_timestamp", "9999-12-31 00:00:00"), ("filled_quantity", []),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_named(key: str, value: object) -> None:
    with pytest.raises(WireError, match=key):
        parse_order(wire(ORDER | {key: value}))


@pytest.mark.parametrize("data", [None, {}, "", 0, {"net": None}])
def test_an_empty_answer_is_not_an_empty_book(data: object) -> None:
    with pytest.raises(WireError):
        parse_orders(data)
    with pytest.raises(WireError):
        parse_positions(data)


def test_a_trade_keeps_every_digit_and_its_time() -> None:
    assert parse_trade(decode_json(json.dumps(TRADE).replace("420.65", "420.650000000001"))) == Fill(
        execution_id="10000000",
        venue_order_id="200000000000000",
        symbol="SBIN",
        exchange="NSE",
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal("420.650000000001"),
        traded_at=parse_iso("2021-05-31T09:16:39+05:30"),
        product="CNC",
    )


@pytest.mark.parametrize("change", [{"quantity": 0}, {"quantity": -1}, {"average_price": 0}])
def test_a_trade_of_nothing_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(WireError, match="positive"):
        parse_trade(wire(TRADE | change))


HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,"
    "tick_size,lot_size,instrument_type,segment,exchange\n"
)


@pytest.mark.parametrize(
    ("row", "kind", "decimals", "lot"),
    [
        ("408065,1594,INFY,INFOSYS,0,,0,0.1,1,EQ,NSE,NSE", InstrumentKind.EQUITY, 2, 1),
        ("256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE", InstrumentKind.INDEX, 2, 1),
        ("412675,1612,USDINR26JANFUT,USDINR,0,2026-01-28,0,0.0025,1,FUT,CDS-FUT,CDS", InstrumentKind.FUTURE, 7, 1),
        ("412678,1612,GS26JANFUT,GS,0,2026-01-28,0,0.0025,1,FUT,BCD-FUT,BCD", InstrumentKind.FUTURE, 4, 1),
        ("12345602,48225,NIFTY26JAN24000CE,N,0,2026-01-29,24000,0.05,65,CE,NFO-OPT,NFO", InstrumentKind.OPTION, 2, 65),
    ],
)  # fmt: skip
def test_an_instrument_row_gives_kind_scale_and_lot(row: str, kind: InstrumentKind, decimals: int, lot: int) -> None:
    (found,) = parse_instruments(HEADER + row)
    assert (found.kind, found.price_decimals, found.lot_size) == (kind, decimals, Decimal(lot))
    assert found.tick_size > 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,2,3", "line 2: 3 fields"), ("x,1,A,A,0,,0,0.05,1,EQ,NSE,NSE", "instrument_token"),
        ("1,1,A,A,0,,0,0,1,EQ,NSE,NSE", "tick_size"), ("1,1,A,A,0,,0,NaN,1,EQ,NSE,NSE", "line 2"),
        ('1,1,"A', "line 2"), ("1,1,A,ACME, INC,0,,0,0.05,1,EQ,NSE,NSE", "line 2: 13 fields, the header has 12"),
        ('1,1,A,"ACME,0,,0,0.05,1,EQ,NSE,NSE', "line 2"), ("5000000000,1,A,A,0,,0,0.05,1,EQ,NSE,NSE", "32-bit"),
    ],
)  # fmt: skip
def test_an_odd_row_of_a_dump_is_kept_by_line_and_symbol_and_the_others_are_read(text: str, names: str) -> None:
    sound = "2,2,B,B,0,,0,0.05,1,EQ,NSE,NSE"
    found = parse_instruments(f"{HEADER}{text}\n{sound}\n")
    assert [i.symbol for i in found] == ["B"]
    (odd,) = found.unread
    assert names in odd.reason
    assert odd.symbol == ("3" if text == "1,2,3" else '"A' if text.startswith('1,1,"') else "A")
    assert parse_underlyings(f"{HEADER}{text}\n{sound}\n") == frozenset()


@pytest.mark.parametrize(("text", "names"), [("", "tradingsymbol"), ("a,b\n1,2", "instrument_token")])
def test_a_dump_without_the_fields_that_are_needed_is_none(text: str, names: str) -> None:
    with pytest.raises(WireError, match=names):
        parse_instruments(text)


def test_candles_come_ascending_once_and_inside_the_range() -> None:
    at = [
        "2026-01-05T09:17:00+0530",
        "2026-01-05T09:15:00+0530",
        "2026-01-05T09:16:00+0530",
        "2026-01-05T09:16:00+0530",
    ]
    data = wire({"candles": [[when, 10.05, 11, 9.95, 10, 100 + i, 7] for i, when in enumerate(at)]})
    start = parse_iso("2026-01-05T09:16:00+05:30")
    series = parse_candles(data, INFY, interval=MINUTE, start=start, end=start + 2 * MINUTE)
    assert series.starts.tolist() == [start, start + MINUTE]
    assert series.open.tolist() == [1005, 1005]
    assert series.volume.tolist() == [103, 100]


@pytest.mark.parametrize(
    "odd",
    [
        ["2026-01-05T09:16:00+0530", 10.05, 11, 9.95, 10, None], ["2026-01-05T09:16:00+0530", 10.05, 11, 9.95, 10],
        ["2026-01-05T09:16:00+0530", None, 11, 9.95, 10, 1], ["2026-01-05T09:16:00+0530", "10", 11, 9.95, 10, 1],
        ["2026-13-05", 10.05, 11, 9.95, 10, 1], [None, 10.05, 11, 9.95, 10, 1], None, {}, "candle",
    ],
)  # fmt: skip
def test_an_odd_candle_is_left_out_and_told_and_the_others_are_read(odd: object) -> None:
    sound = [[f"2026-01-05T09:{minute}:00+0530", 10.05, 11, 9.95, 10, 100] for minute in (15, 17)]
    start = parse_iso("2026-01-05T09:15:00+05:30")
    data = wire({"candles": [sound[0], odd, sound[1]]})
    series = parse_candles(data, INFY, interval=MINUTE, start=start, end=start + 9 * MINUTE)
    assert series.starts.tolist() == [start, start + 2 * MINUTE]
    has_time = isinstance(odd, list) and len(odd) == 6 and str(odd[0]).startswith("2026-01")
    assert series.unread_starts.tolist() == [start + MINUTE if has_time else 0]
    assert series.select_bars(slice(-1, None)).unread_starts.tolist() == series.unread_starts.tolist()


def test_one_odd_quote_leaves_the_quotes_of_the_others() -> None:
    universe = Universe([INFY, Instrument(symbol="TCS", token=1), Instrument(symbol="SBIN", token=2)])
    sound = {"timestamp": "2021-06-08 15:45:56", "last_price": 1412.95, "volume": 1}
    for odd in (None, {}, [], sound | {"last_price": None}, sound | {"timestamp": "x"}, sound | {"volume": "1"}):
        answer = wire({"NSE:INFY": sound, "NSE:TCS": odd, "NSE:SBIN": sound})
        assert parse_quotes(answer, universe, seen_at=9).ids.tolist() == [0, 2]


def test_no_candles_make_an_empty_series() -> None:
    series = parse_candles({"candles": []}, INFY, interval=MINUTE, start=0, end=1)
    assert (len(series), series.close.dtype.name, series.starts.dtype.name) == (0, "int64", "int64")


def test_rest_quotes_follow_the_universe_and_skip_what_kite_left_out() -> None:
    universe = Universe([INFY, Instrument(symbol="TCS", token=1), Instrument(symbol="NIFTY 50", token=2)])
    level = {"price": 1412.95, "quantity": 5191, "orders": 13}
    quotes = parse_quotes(
        wire({
            "NSE:NIFTY 50": {"timestamp": "2021-06-08 15:45:56", "last_price": 15740.1},
            "NSE:INFY": {
                "timestamp": "2021-06-08 15:45:56", "last_price": 1412.95, "volume": 7360198,
                "depth": {"buy": [level], "sell": [{"price": 0, "quantity": 0, "orders": 0}]},
            },
        }),
        universe,
        seen_at=9,
    )  # fmt: skip
    at = parse_iso("2021-06-08T15:45:56+05:30")
    assert quotes.ids.tolist() == [0, 2]
    assert quotes.sent_at.tolist() == [at, at]
    assert quotes.last.tolist() == [141295, 1574010]
    assert (quotes.bid.tolist(), quotes.bid_size.tolist(), quotes.ask.tolist()) == ([141295, 0], [5191, 0], [0, 0])
    assert quotes.volume.tolist() == [7360198, 0]


def test_a_limit_order_renders_its_fields_and_our_id_as_tag() -> None:
    assert render_order(request()) == {
        "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "order_type": "LIMIT", "quantity": "5",
        "product": "MIS", "validity": "DAY", "tag": "tb26abc0001", "price": "1573.70",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": OrderKind.MARKET, "price": None}, {"market_protection": "-1"}),
        ({"kind": OrderKind.MARKET, "price": None, "protection_pct": Decimal("2.50")}, {"market_protection": "2.5"}),
        ({"kind": OrderKind.MARKET, "price": None, "protection_pct": Decimal("1E+1")}, {"market_protection": "10"}),
        (
            {"kind": OrderKind.STOP_MARKET, "price": None, "trigger_price": Decimal("1550")},
            {"trigger_price": "1550", "market_protection": "-1"},
        ),
        (
            {"kind": OrderKind.STOP_LIMIT, "trigger_price": Decimal("1575.5")},
            {"price": "1573.70", "trigger_price": "1575.5"},
        ),
        ({"validity": Validity.IOC}, {"price": "1573.70", "validity": "IOC"}),
    ],
)  # fmt: skip
def test_each_kind_of_order_renders_its_own_prices_only(changes: dict[str, Any], expected: dict[str, str]) -> None:
    form = render_order(request(**changes))
    prices = {k: form[k] for k in ("price", "trigger_price", "market_protection") if k in form}
    assert prices == {k: v for k, v in expected.items() if k != "validity"}
    assert form["validity"] == expected.get("validity", "DAY")


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"order_id": "a" * 21}, "tag"), ({"order_id": "no-dash"}, "tag"), ({"order_id": ""}, "tag"),
        ({"quantity": Decimal("1.5")}, "quantity"), ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": Decimal("NaN")}, "quantity"),
        ({"price": Decimal("NaN")}, "price"), ({"price": None}, "price"),
        ({"price": Decimal(-1)}, "price"), ({"kind": OrderKind.STOP_MARKET}, "trigger_price"),
        ({"kind": OrderKind.MARKET, "protection_pct": Decimal(0)}, "market_protection"),
    ],
)  # fmt: skip
def test_an_order_that_kite_cannot_take_is_not_rendered(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(WireError, match=names):
        render_order(request(**changes))


def test_control_frames_are_the_documented_ones() -> None:
    assert render_subscribe([408065, 1]) == '{"a":"subscribe","v":[408065,1]}'
    assert render_mode("full", [408065]) == '{"a":"mode","v":["full",[408065]]}'


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b"Infinity", b'"\xff"', b"[" * 200_000, b"1e99999999999999999999", b"9" * 5000 + b"x"]
)
def test_what_is_not_json_is_a_wire_error(text: bytes) -> None:
    with pytest.raises(WireError, match="not JSON"):
        decode_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER, "x"]), inner, max_size=4),
    max_leaves=8,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps({"type": "order", "data": value}).encode()))
def test_no_text_frame_raises_anything_but_a_wire_error(data: bytes) -> None:
    try:
        content = parse_text(data)
    except WireError:
        return
    assert isinstance(content, VenueOrder | KiteNotice)


@given(st.dictionaries(st.sampled_from(list(ORDER)), JSON, max_size=5))
def test_no_order_record_raises_anything_but_a_wire_error(changes: dict[str, Any]) -> None:
    try:
        order = parse_order(wire(ORDER | changes))
    except WireError:
        return
    assert order.quantity.is_finite()
    assert 0 <= order.changed_at < 1 << 63


@given(JSON)
def test_no_book_raises_anything_but_a_wire_error(value: object) -> None:
    universe = Universe([INFY])
    data = wire(value)
    for parse in (
        parse_orders, parse_trades, parse_positions, parse_margins, parse_profile,
        lambda data: parse_candles(data, INFY, interval=MINUTE, start=0, end=1 << 62),
        lambda data: parse_candles({"candles": [["2026-01-05T09:15:00+0530", data, 1, 1, 1, data]]}, INFY, interval=1,
                                   start=0, end=1 << 62),
        lambda data: parse_quotes({"NSE:INFY": data}, universe, seen_at=0),
        lambda data: parse_quotes(
            {"NSE:INFY": {"last_price": data, "volume": data, "depth": data}}, universe, seen_at=0
        ),
    ):  # fmt: skip
        try:
            parse(data)
        except WireError:
            continue


@given(st.text(max_size=200) | st.text(alphabet='0123456789,."\nAN-', max_size=80).map(lambda rows: HEADER + rows))
def test_no_dump_raises_anything_but_a_wire_error(text: str) -> None:
    try:
        parse_instruments(text)
    except WireError:
        return


def test_a_book_of_a_whole_day_is_read_to_its_end() -> None:
    rows = [ORDER | {"order_id": str(n)} for n in range(5_000)]
    assert [order.venue_order_id for order in parse_orders(decode_json(json.dumps(rows)))] == [
        str(n) for n in range(5_000)
    ]


@given(st.dictionaries(st.sampled_from(["tag", "tradingsymbol", "price", "validity"]), st.text(max_size=20)))
def test_any_form_is_rendered_as_urlencode_renders_it(form: dict[str, str]) -> None:
    assert render_form(form) == urlencode(form).encode()
