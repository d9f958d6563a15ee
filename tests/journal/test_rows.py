"""Bodies: what is encoded comes back the same, to the digit, and what is not a body is refused."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journal.ledger_by_hand import UNIVERSE, close, fact, run
from tradebot.domain.commands import CommandVerb, HaltExpiry, Scope
from tradebot.domain.market import BAR_COLUMNS, SERIES_COLUMNS, BarBatch, BarSeries
from tradebot.domain.message import Message
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Command,
    EarlySessionEnd,
    FrozenSymbols,
    Incident,
    LimitsReloaded,
    LinkDown,
    LinkUp,
    ReconciliationResult,
    SessionBegins,
    Signal,
    Signals,
    TrailingStopPrices,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderRequest,
    Side,
    VenueOrder,
    VenueOrderStatus,
)
from tradebot.errors import StateError
from tradebot.journal.rows import (
    ROW_KINDS,
    RunEnd,
    RunSettings,
    StrategiesChanged,
    StrategiesRebuilt,
    SymbolsHeld,
    WarmupBars,
    WarmupJoin,
    check_kind,
    decode_body,
    encode_body,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)
INPUTS = st.dictionaries(NAMES, st.floats(), max_size=4)
REQUESTS = st.builds(
    OrderRequest,
    order_id=NAMES,
    symbol=NAMES,
    exchange=NAMES,
    side=st.sampled_from(Side),
    kind=st.sampled_from(OrderKind),
    quantity=AMOUNTS,
    price=st.none() | AMOUNTS,
    stop_loss=st.none() | AMOUNTS,
    reason=NAMES,
    decided_at=INT64,
)
EXECUTIONS = st.builds(
    Fill,
    execution_id=NAMES,
    venue_order_id=NAMES,
    symbol=NAMES,
    exchange=NAMES,
    side=st.sampled_from(Side),
    quantity=AMOUNTS,
    price=AMOUNTS,
    traded_at=INT64,
)
FACTS = st.builds(
    OrderEvent,
    order_id=NAMES,
    type=st.sampled_from(OrderEventType),
    at=INT64,
    mono=INT64,
    reason=NAMES,
    request=st.none() | REQUESTS,
    fill=st.none() | EXECUTIONS,
    checks=st.lists(NAMES, max_size=3).map(tuple),
    inputs=INPUTS,
)
SIGNALS = st.builds(
    Signals,
    at=INT64,
    interval=INT64,
    failed=st.lists(NAMES, max_size=2).map(tuple),
    signals=st.lists(
        st.builds(
            Signal,
            signal_id=NAMES,
            strategy=NAMES,
            symbol=NAMES,
            action=st.sampled_from(Action),
            bar_at=INT64,
            quoted_at=INT64,
            close=st.floats(),
            stop_loss=st.none() | st.floats(),
            inputs=INPUTS,
        ),
        max_size=3,
    ).map(tuple),
)


@given(FACTS | SIGNALS)
def test_every_fact_and_signal_comes_back_to_the_digit(message: OrderEvent | Signals) -> None:
    kind = "order" if isinstance(message, OrderEvent) else "signals"

    # repr tells 1.0 from 1.00, -0.0 from 0.0 and finds a NaN equal to itself, which == does not.
    assert repr(decode_body(kind, encode_body(kind, message))) == repr(message)


@given(
    st.integers(0, 5).flatmap(
        lambda n: st.fixed_dictionaries({name: st.lists(INT64, min_size=n, max_size=n) for name in BAR_COLUMNS})
    )
)
def test_every_column_of_a_close_comes_back(columns: dict[str, list[int]]) -> None:
    arrays = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}

    read = decode_body("close", encode_body("close", BarBatch(interval=1, ends_at=2, seen_at=3, quoted_at=4, **arrays)))

    assert isinstance(read, BarBatch)
    assert {name: getattr(read, name).tolist() for name in BAR_COLUMNS} == columns
    assert all(getattr(read, name).dtype == np.int64 for name in BAR_COLUMNS)
    assert (read.interval, read.ends_at, read.seen_at, read.quoted_at) == (1, 2, 3, 4)


VENUE_ORDER = VenueOrder(
    venue_order_id="1", tag="TB1", symbol="TCS", exchange="NSE", side=Side.SELL, kind=OrderKind.LIMIT,
    status=VenueOrderStatus.OPEN, quantity=Decimal(5), filled=Decimal(2), price=Decimal("3500.05"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("run", run()),
        ("universe", UNIVERSE),
        (
            "terms",
            RunSettings(
                interval=60, strategies=({"name": "ema_cross"},), limits={"max_open_orders": 5}, desk={}, venue={},
                opens_at=1, halts=(Command(verb=CommandVerb.HALT, scope=Scope.for_strategy("s")),), flattened=("F1",),
            ),
        ),
        ("session", SessionBegins(opens_at=1, closes_at=4, entries_until=2, square_off_at=3)),
        (
            "session",
            SessionBegins(
                opens_at=1, closes_at=9, entries_until=7, square_off_at=8,
                early_ends=(EarlySessionEnd(closes_at=4, entries_until=2, square_off_at=3, symbols=("TCS", "INFY")),),
            ),
        ),
        ("order", fact("TB1", OrderEventType.SEEN_OPEN, venue_order=VENUE_ORDER)),
        ("link", LinkUp(source="kite", mono=3)),
        ("link", LinkDown(source="kite", mono=3, reason="")),
        (
            "reconciled",
            ReconciliationResult(at=3, differences=("TCS: off",), adopted=(("TCS", Decimal(-3), Decimal("1.50")),)),
        ),
        (
            "halt",
            Command(
                verb=CommandVerb.HALT, reason="the day is at -1000", until=HaltExpiry.SESSION, control="daily_loss"
            ),
        ),
        ("halt", Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.for_symbol("TCS"))),
        ("incident", Incident(text="an order was placed elsewhere", at=5, order_id="EXT-1", symbol="TCS")),
        ("rebuilt", StrategiesRebuilt(after=5, bars=7)),
        ("strategies", StrategiesChanged(after=5, params={"ema_cross": {"fast": 9, "trend": 20.5, "is_on": True}})),
        ("held", SymbolsHeld(after=5, symbols=("TCS",))),
        ("limits", LimitsReloaded(limits={"max_open_orders": 7, "max_daily_loss": "900"}, order_notional=Decimal(500))),
        ("joined", WarmupJoin(after=5, symbols=("TCS",), waiting=("INFY",))),
        ("frozen", FrozenSymbols(symbols=("TCS",), mono=5)),
        ("trailing", TrailingStopPrices(at=5, best_prices={"TB1": Decimal("1050.00")})),
        ("resume", Command(verb=CommandVerb.RESUME)),
        ("flatten", Command(verb=CommandVerb.FLATTEN, id="f")),
        ("end", RunEnd(reason="SIGTERM", summary={"orders": 3, "p50_us": 1.5})),
    ],
)  # fmt: skip
def test_a_message_of_each_kind_comes_back(kind: str, message: Message) -> None:
    assert decode_body(kind, encode_body(kind, message)) == message


def test_each_kind_is_tested() -> None:
    marks = test_a_message_of_each_kind_comes_back.pytestmark  # type: ignore[attr-defined]

    assert {kind for kind, _ in marks[0].args[1]} | {"close", "repaired", "signals", "warmup", "tape"} == set(ROW_KINDS)


def test_a_body_is_json_with_exact_decimals() -> None:
    body = encode_body("reconciled", ReconciliationResult(at=3, cash=Decimal("50000.10")))

    assert json.loads(body)["cash"] == "50000.10"


def test_an_indicator_that_is_not_a_number_is_kept_as_a_word() -> None:
    body = encode_body("order", fact("TB1", OrderEventType.DENIED, inputs={"rsi": math.nan, "atr": -math.inf}))

    assert json.loads(body)["inputs"] == {"rsi": "nan", "atr": "-inf"}


def test_a_close_of_three_thousand_symbols_takes_less_than_its_columns() -> None:
    ids = np.arange(3_000)
    message = close(ids=ids)

    assert len(encode_body("close", message)) < 7 * 8 * len(ids) * 0.7


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("order", b"{}"),
        ("order", b'{"order_id":"TB1"'),
        ("order", b"\xff"),
        ("close", b'{"interval":1,"ends_at":1,"seen_at":1,"quoted_at":1,"columns":{}}'),
        ("close", encode_body("close", close()).replace(b"<i1", b"<i8", 1)),
        ("close", encode_body("close", close()).replace(b"<i1", b"|O8", 1)),
        ("gossip", b"{}"),
    ],
)
def test_a_body_that_is_not_of_its_kind_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(StateError, match=kind):
        decode_body(kind, body)


def test_a_message_of_another_kind_is_refused_before_it_is_queued() -> None:
    with pytest.raises(AssertionError, match="cannot hold a Command"):
        check_kind("order", Command(verb=CommandVerb.HALT))
    with pytest.raises(AssertionError, match="no kind 'gossip'"):
        check_kind("gossip", Command(verb=CommandVerb.HALT))


@pytest.mark.parametrize(
    ("kind", "body", "command"),
    [
        ("halt", '{"verb":"halt","reason":"the day is at -1200.00, max_daily_loss is 1000","scope":"all","id":""}',
         Command(
             verb=CommandVerb.HALT, reason="the day is at -1200.00, max_daily_loss is 1000", until=HaltExpiry.SESSION
         )),
        ("halt", '{"verb":"halt","reason":"max_daily_loss looks wrong, do not trade until I am back"}',
         Command(verb=CommandVerb.HALT, reason="max_daily_loss looks wrong, do not trade until I am back")),
        ("halt", '{"verb":"halt","reason":"the day is at -1200.00, max_daily_loss is 1000","until":"resume"}',
         Command(verb=CommandVerb.HALT, reason="the day is at -1200.00, max_daily_loss is 1000")),
        ("reduce", '{"verb":"reduce","reason":"by hand","scope":"symbol:TCS"}',
         Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.for_symbol("TCS"))),
        ("stop", '{"verb":"stop","reason":"","scope":"all","id":""}', Command(verb=CommandVerb.STOP)),
    ],
)  # fmt: skip
def test_a_command_of_an_older_journal_is_read_in_todays_words(kind: str, body: str, command: Command) -> None:
    assert decode_body(kind, body.encode()) == command


def test_the_halts_that_an_older_run_took_over_are_read_in_todays_words() -> None:
    body = encode_body("terms", RunSettings(interval=60, strategies=(), limits={}, desk={}, venue={}, opens_at=1))
    old = b'[{"verb":"reduce","reason":"by hand","scope":"all","id":""}]'
    read = decode_body("terms", body.replace(b'"halts":[]', b'"halts":' + old))
    assert isinstance(read, RunSettings)
    assert read.halts == (Command(verb=CommandVerb.HALT, reason="by hand"),)


def test_books_of_an_older_journal_are_read_and_no_longer_written() -> None:
    snapshot = AccountSnapshot(asked_at=1, orders=(VENUE_ORDER,), fills=(), positions=(), cash=Decimal("50000.00"))
    assert decode_body("books", encode_body("books", snapshot)) == snapshot
    with pytest.raises(AssertionError, match="no kind 'books'"):
        check_kind("books", snapshot)


def test_the_past_of_a_warm_up_comes_back() -> None:
    columns = {name: np.array([3, 5, 2**40], dtype=np.int64) for name in SERIES_COLUMNS}
    past = WarmupBars(series=(BarSeries(symbol="TCS", interval=60, **columns),))

    read = decode_body("warmup", encode_body("warmup", past))

    assert isinstance(read, WarmupBars)
    assert (read.series[0].symbol, read.series[0].interval) == ("TCS", 60)
    assert {name: getattr(read.series[0], name).tolist() for name in SERIES_COLUMNS} == {
        name: [3, 5, 2**40] for name in SERIES_COLUMNS
    }
