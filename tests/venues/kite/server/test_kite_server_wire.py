"""Parameters of an order to a ticket, and who may call: tables of what Kite takes and refuses."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from string import Formatter
from typing import Any

import pytest

from tradebot.clock import IST, SECOND, ManualClock, MarketClock, parse_iso
from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.order import OrderKind, Side, Validity
from tradebot.exchange.market_protection import automatic_protection
from tradebot.exchange.rate_limits import RateLimits
from tradebot.exchange.refusals import RefusalCode
from tradebot.exchange.ticket import BookStatus
from tradebot.venues.kite.server.limits import KITE_LIMITS
from tradebot.venues.kite.server.refusals import SENTENCES
from tradebot.venues.kite.server.session import REQUEST_TOKEN_LIFE_NS, LoginSessions
from tradebot.venues.kite.server.wire import (
    KITE_STATUSES,
    KiteError,
    json_number,
    parse_changes,
    parse_stamp,
    parse_ticket,
    parse_variety,
    render_stamp,
)

TCS = Instrument(symbol="TCS", token=2953217)
NOON = parse_iso("2026-11-23T12:00:00", IST)


def ticket(**kw: Any) -> Any:
    params = {
        "transaction_type": "SELL", "order_type": "LIMIT", "quantity": "10", "price": "3500.05", "product": "MIS",
        "trigger_price": "3490", "market_protection": "2", "tag": "abc",
    }  # fmt: skip
    params = {name: value for name, value in (params | kw).items() if value is not None}
    return parse_ticket(params, variety="regular", instrument=TCS, last=Decimal("3500"))


def test_a_limit_order_keeps_its_price_and_drops_what_it_has_no_use_for() -> None:
    t = ticket()
    assert (t.side, t.kind, t.quantity, t.price) == (Side.SELL, OrderKind.LIMIT, Decimal(10), Decimal("3500.05"))
    assert (t.trigger_price, t.protection_pct, t.validity, t.tag) == (None, None, Validity.DAY, "abc")


def test_a_stop_market_order_keeps_trigger_and_protection_and_no_price() -> None:
    t = ticket(order_type="SL-M", validity="IOC")
    assert (t.price, t.trigger_price, t.protection_pct, t.validity) == (None, Decimal(3490), Decimal(2), Validity.IOC)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"quantity": None}, "Missing or empty field `quantity`."),
        ({"quantity": "1.5"}, "Invalid `quantity`."),
        ({"quantity": "-1"}, "Invalid `quantity`."),
        ({"price": "0"}, "Invalid `price`."),
        ({"price": "NaN"}, "Invalid `price`."),
        ({"price": "Infinity"}, "Invalid `price`."),
        ({"price": "cheap"}, "Invalid `price`."),
        ({"price": None}, "Missing or empty field `price`."),
        ({"order_type": "SL", "trigger_price": None}, "Missing or empty field `trigger_price`."),
        ({"order_type": "ICEBERG"}, "Invalid `order_type`."),
        ({"transaction_type": "HOLD"}, "Invalid `transaction_type`."),
        ({"validity": "GTC"}, "Invalid `validity`."),
        ({"product": "BO"}, "Invalid `product`."),
        ({"tag": "x" * 21}, "Invalid `tag`. It may have up to 20 letters and digits."),
        ({"tag": "a-b"}, "Invalid `tag`. It may have up to 20 letters and digits."),
        ({"order_type": "MARKET", "market_protection": "101"}, "Invalid `market_protection`."),
        ({"order_type": "MARKET", "market_protection": "-2"}, "Invalid `market_protection`."),
    ],
)
def test_a_bad_parameter_is_an_input_exception(changed: dict[str, str | None], message: str) -> None:
    with pytest.raises(KiteError) as caught:
        ticket(**changed)
    assert (caught.value.status, caught.value.error_type, caught.value.message) == (
        400,
        "InputException",
        message,
    )


@pytest.mark.parametrize("text", [None, "", "0"])
def test_no_protection_reaches_the_exchange_as_none(text: str | None) -> None:
    assert ticket(order_type="MARKET", market_protection=text).protection_pct is None


@pytest.mark.parametrize(
    ("kind", "last", "percent"),
    [
        (InstrumentKind.EQUITY, "99.95", "2"), (InstrumentKind.EQUITY, "100", "1"),
        (InstrumentKind.EQUITY, "499.95", "1"), (InstrumentKind.EQUITY, "500", "0.5"),
        (InstrumentKind.FUTURE, "20000", "0.5"), (InstrumentKind.OPTION, "9.95", "5"),
        (InstrumentKind.OPTION, "10", "3"), (InstrumentKind.OPTION, "100", "2"), (InstrumentKind.OPTION, "500", "1"),
    ],
)  # fmt: skip
def test_automatic_protection_follows_the_table(kind: InstrumentKind, last: str, percent: str) -> None:
    assert automatic_protection(Instrument(symbol="X", kind=kind), Decimal(last)) == Decimal(percent)


def test_a_change_holds_only_what_was_given() -> None:
    changes = parse_changes({"price": "101", "trigger_price": "0", "order_id": "1"}, instrument=TCS, last=Decimal(100))
    assert changes == {"price": Decimal(101)}


def test_only_regular_orders_are_offered() -> None:
    assert parse_variety("regular") == "regular"
    for variety in ("amo", "nonsense"):
        with pytest.raises(KiteError, match="variety"):
            parse_variety(variety)


def test_stamps_are_indian_time_without_a_zone() -> None:
    assert render_stamp(NOON + 999) == "2026-11-23 12:00:00"
    assert render_stamp(0) is None
    assert parse_stamp("2026-11-23 12:00:00", "from") == NOON
    assert parse_stamp("2026-11-23", "from") == parse_iso("2026-11-23T00:00:00", IST)
    with pytest.raises(KiteError, match="Invalid `from` date"):
        parse_stamp("yesterday", "from")


def test_numbers_print_back_the_decimal_they_came_from() -> None:
    assert [repr(json_number(Decimal(t))) for t in ("1573.70", "0.05", "1500", "99999999.95")] == [
        "1573.7", "0.05", "1500", "99999999.95",
    ]  # fmt: skip


def sessions(clock: ManualClock, **kw: Any) -> LoginSessions:
    return LoginSessions(clock, api_key="key", api_secret="secret", access_token="first", **kw)


def checksum(request_token: str, secret: str = "secret") -> str:
    return hashlib.sha256(f"key{request_token}{secret}".encode()).hexdigest()


def test_a_login_trades_a_request_token_once_and_ends_the_session_before() -> None:
    s = sessions(ManualClock(NOON))
    request_token = s.issue_request_token("key")
    token = s.create_session(api_key="key", request_token=request_token, checksum=checksum(request_token))
    s.check_authorization(f"token key:{token}")
    assert not s.is_session_valid("key", "first")
    with pytest.raises(KiteError, match="invalid or has expired"):
        s.create_session(api_key="key", request_token=request_token, checksum=checksum(request_token))


def test_a_wrong_checksum_is_refused_and_leaves_the_session_alone() -> None:
    s = sessions(ManualClock(NOON))
    request_token = s.issue_request_token("key")
    with pytest.raises(KiteError, match="checksum"):
        s.create_session(api_key="key", request_token=request_token, checksum=checksum(request_token, "guess"))
    assert s.is_session_valid("key", "first")


def test_a_request_token_dies_within_minutes() -> None:
    clock = ManualClock(NOON)
    s = sessions(clock)
    request_token = s.issue_request_token("key")
    clock.now_ns += REQUEST_TOKEN_LIFE_NS + 1
    with pytest.raises(KiteError, match="invalid or has expired"):
        s.create_session(api_key="key", request_token=request_token, checksum=checksum(request_token))


@pytest.mark.parametrize("header", [None, "", "token key:", "token key:other", "Bearer key:first", "token kex:first"])
def test_a_wrong_header_is_a_token_exception(header: str | None) -> None:
    with pytest.raises(KiteError) as caught:
        sessions(ManualClock(NOON)).check_authorization(header)
    assert (caught.value.status, caught.value.error_type) == (403, "TokenException")


def test_a_token_dies_at_six_in_the_morning_of_the_market_clock() -> None:
    clock = ManualClock(NOON)
    mortal, immortal = sessions(clock), sessions(clock, expires=False)
    clock.now_ns = parse_iso("2026-11-24T05:59:59", IST)
    assert mortal.is_session_valid("key", "first")
    clock.now_ns += SECOND
    assert not mortal.is_session_valid("key", "first")
    assert immortal.is_session_valid("key", "first")


def test_ten_orders_a_calendar_second_and_twenty_around_its_turn() -> None:
    clock = ManualClock(NOON + 900_000_000)
    limits = RateLimits(clock, KITE_LIMITS)
    assert [limits.count_request("orders", "place") for _ in range(10)] == [None] * 10
    assert limits.count_request("orders", "place") is not None
    clock.now_ns += 100_000_000
    assert [limits.count_request("orders", "place") for _ in range(10)] == [None] * 10


def test_four_hundred_new_orders_a_minute_and_cancels_go_on() -> None:
    clock = ManualClock(NOON)
    limits = RateLimits(clock, KITE_LIMITS)
    taken = 0
    for _ in range(41):
        taken += sum(limits.count_request("orders", "place") is None for _ in range(10))
        clock.now_ns += SECOND
    assert taken == 400
    assert limits.count_request("orders") is None


def test_a_fast_market_counts_its_own_seconds_also_while_it_stands_and_never_the_wall_clocks() -> None:
    ours = ManualClock(NOON)
    market = MarketClock(starts_at=NOON, anchor_mono=None, speed=600.0, wall=ours)
    limits = RateLimits(market, KITE_LIMITS)
    taken = 0
    for _ in range(3):
        taken += sum(limits.count_request("orders") is None for _ in range(20))
        ours.now_ns += SECOND // 600 + 1
    assert taken == 30
    taken = sum(limits.count_request("historical") is None for _ in range(5))
    market.wall_ns = lambda: NOON + 3600 * SECOND  # type: ignore[method-assign]
    assert taken + sum(limits.count_request("historical") is None for _ in range(5)) == 3


def test_five_thousand_new_orders_a_market_day() -> None:
    clock = ManualClock(parse_iso("2026-11-23T09:15:00", IST))
    limits = RateLimits(clock, KITE_LIMITS)
    taken = 0
    for _ in range(600):
        taken += sum(limits.count_request("orders", "place") is None for _ in range(10))
        clock.now_ns += 2 * SECOND
    assert taken == 5_000
    clock.now_ns = parse_iso("2026-11-24T00:00:00", IST)
    assert limits.count_request("orders", "place") is None


def test_a_refused_request_uses_nothing_up() -> None:
    clock = ManualClock(NOON)
    limits = RateLimits(clock, KITE_LIMITS)
    assert limits.count_request("quote") is None
    assert limits.count_request("quote", "other") is not None
    assert [limits.count_request("other") for _ in range(11)].count(None) == 10


@pytest.mark.parametrize("code", RefusalCode)
def test_kite_has_a_sentence_for_every_refusal_of_the_exchange_and_needs_no_fact_that_it_does_not_tell(
    code: RefusalCode,
) -> None:
    told = {name for _, name, _, _ in Formatter().parse(code.value) if name}
    error_type, sentence = SENTENCES[code]
    wants = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    assert error_type.endswith("Exception")
    assert wants - {"field"} <= told, "the exchange's own sentence names its facts"


def test_every_state_of_an_order_has_its_word_on_the_wire() -> None:
    assert set(KITE_STATUSES) == set(BookStatus)
    assert len(set(KITE_STATUSES.values())) == len(BookStatus)
