"""The log as an independent witness, and an exchange that resumes from it."""

import json
from decimal import Decimal

import msgspec
import pytest

from tests.exchange.market_by_hand import OPENS_AT, Market, row, ticket
from tradebot.clock import SECOND
from tradebot.errors import DataError, StateError
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.ticket import TradeRow, order_from_line

D = Decimal
NEXT_OPENING = OPENS_AT + 86_400 * SECOND


@pytest.fixture
def path(tmp_path):
    return tmp_path / "exchange.jsonl"


def first_day(path):
    """Trade a morning: one order filled, one partly filled, one resting, then the process is gone."""
    with EventLog(path) as log:
        market = Market(log=log, account_id="AB1234", cash=50_000)
        market.place("BUY", 10, price=100.05, tag="one")
        market.place("BUY", 100, price=100.05)
        market.place("BUY", 7, price=98)
        return market


def test_the_log_holds_every_version_and_every_fill(path):
    market = first_day(path)
    lines = list(read_event_log(path))
    assert [order_from_line(x) for x in lines if x["kind"] == "order"] == market.versions
    assert [msgspec.convert(x, TradeRow) for x in lines if x["kind"] == "fill"] == market.exchange.trade_rows()
    assert lines[0]["kind"] == "session"
    assert (lines[0]["account"], lines[0]["cash"], lines[0]["seed"]) == ("AB1234", "50000", 7)


def test_a_fill_is_on_disk_as_soon_as_it_is_told(path):
    with EventLog(path) as log:
        market = Market(log=log)
        market.place("BUY", 10, price=100.05)
        assert '"kind":"fill"' in path.read_text()


def test_a_fill_is_written_before_the_version_that_tells_of_it(path):
    first_day(path)
    kinds = [(x["kind"], x.get("status")) for x in read_event_log(path) if x.get("order_id") == "260901000000001"]
    assert kinds[-2:] == [("fill", None), ("order", "COMPLETE")]


def test_amounts_are_written_as_exact_text(path):
    with EventLog(path) as log:
        log.append_line("request", method="POST", path="/orders/regular", params={"price": D("100.10")}, status=200)
    assert json.loads(path.read_text())["params"] == {"price": "100.10"}


def test_without_a_path_lines_are_only_counted():
    log = EventLog(None)
    log.append_line("request")
    assert log.line_count == 1


def test_a_log_that_cannot_be_opened_is_a_state_error(tmp_path):
    with pytest.raises(StateError, match="cannot open the exchange log"):
        EventLog(tmp_path)


def test_a_resumed_exchange_has_the_same_orders_trades_and_account(path):
    before = first_day(path).exchange
    after = Market(resume=path, cash=1).exchange
    assert after.trade_rows() == before.trade_rows()
    assert after.latest_orders()[0] == before.latest_orders()[0]
    assert after.account.net_positions() == before.account.net_positions()
    assert (after.account.cash, after.account.total_charges) == (before.account.cash, before.account.total_charges)


def test_orders_that_were_live_lapse(path):
    first_day(path)
    after = Market(resume=path).exchange
    partly, resting = after.latest_orders()[1:]
    assert (partly.status, partly.filled, partly.cancelled) == ("cancelled", 90, 10)
    assert (resting.status, resting.cancelled) == ("cancelled", 7)
    assert resting.reason == "order lapsed at the end of the session"
    assert after.account.margin_summary().orders == 0


def test_numbers_go_on_without_reuse(path):
    before = first_day(path)
    with EventLog(path) as log:
        after = Market(resume=path, log=log)
        order_id = after.place("BUY", 1, price=100.05)
    assert order_id == "260901000000004"
    trade_ids = [t.trade_id for t in after.exchange.trade_rows()]
    assert len(trade_ids) == len(set(trade_ids)) == len(before.exchange.trade_rows()) + 1
    entered = [o.exchange_order_id for o in after.exchange.latest_orders()]
    assert len(entered) == len(set(entered)) == 4


def test_a_log_that_was_resumed_can_be_resumed_again(path):
    first_day(path)
    with EventLog(path) as log:
        second = Market(resume=path, log=log, opens_at=NEXT_OPENING)
        second.place("SELL", 100, price=99.95)
        expected = second.exchange.account.net_positions()
    third = Market(resume=path, opens_at=NEXT_OPENING).exchange
    assert third.account.net_positions() == expected
    assert third.trade_rows() == second.exchange.trade_rows()
    assert [o.status for o in third.latest_orders()] == ["filled", "cancelled", "cancelled", "filled"]


def test_the_next_day_begins_with_what_was_carried(path):
    first_day(path)
    after = Market(resume=path, opens_at=NEXT_OPENING).exchange.account
    (position,) = after.net_positions()
    assert (position.quantity, position.overnight_quantity, after.total_charges) == (100, 100, 0)


def test_a_torn_last_line_is_skipped_and_cut_off_before_the_next_append(path):
    first_day(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"fill","trade_id":"1000')
    assert len(Market(resume=path).exchange.trade_rows()) == 2
    with EventLog(path) as log:
        log.append_line("end")
    assert path.read_bytes() == whole + b'{"kind":"end"}\n'


def test_a_log_without_one_whole_line_is_emptied(path):
    path.write_bytes(b'{"kind":"ses')
    EventLog(path).close_file()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b"not json\n", ":2: not a line"),
        (b'{"kind":"fill","trade_id":"1"}\n', ":2: the exchange log cannot be resumed"),
    ],
)
def test_a_broken_line_in_the_middle_is_named(path, damage, message):
    first_day(path)
    head, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(head + b"\n" + damage + rest)
    with pytest.raises(DataError, match=message):
        Market(resume=path)


def test_a_missing_log_starts_afresh(path):
    assert Market(resume=path, cash=5).exchange.account.cash == 5


def test_a_log_that_continues_another_is_not_enough(path):
    first_day(path)
    second = path.with_suffix(".second")
    with EventLog(second) as log:
        Market(resume=path, log=log)
    with pytest.raises(DataError, match="continues another log"):
        Market(resume=second)


def test_a_position_outside_todays_symbols_stays_at_its_last_trade(path):
    first_day(path)
    text = path.read_text().replace('"RELIANCE"', '"WIPRO"')
    path.write_text(text)
    market = Market(resume=path)
    market.show(1, row(last=105))
    (position,) = market.exchange.account.net_positions()
    assert (position.symbol, position.last_price) == ("WIPRO", D("100.05"))
    assert market.exchange.place_order(ticket(price=99)).status == "received"
