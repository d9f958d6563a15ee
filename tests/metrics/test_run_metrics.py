"""What a scrape says: of a start, of a run, of an account in good and in bad times; and how long it is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from tests.metrics.metrics_rig import MetricsRig, scraped
from tests.trading.desk.desk_rig import OPEN, DeskRig, enter_and_send, order_state, with_all_controls
from tests.trading.desk.many_positions import ManyPositions
from tests.trading.desk.venue_model import RESTING, VenueModel
from tradebot.clock import SECOND
from tradebot.control.api_application import METRICS_TYPE
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import Action, BrokerSession, Command
from tradebot.domain.order import OrderEventType, OrderState
from tradebot.metrics.account_figures import SYMBOLS_SHOWN
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.desk.gate.exposure_controls import MaxOpenOrders


def of_desk(desk: DeskRig) -> MetricsRig:
    rig = MetricsRig()
    rig.attach(desk.desk.account)
    return rig


def test_a_start_has_its_own_metrics_before_there_is_a_run() -> None:
    rig = MetricsRig(needs_login=True)
    assert rig.read("tradebot_build_info", version="9.9", mode="paper") == 1
    assert rig.read("tradebot_state", state="starting") == 1
    assert rig.read("tradebot_login_state", state="NEED_LOGIN") == 1
    assert rig.read("tradebot_pnl", kind="day") is None
    assert rig.read("process_cpu_seconds_total") is not None
    assert rig.read("process_start_time_seconds") == 1_770_090_300


def test_the_text_is_of_the_plain_format_and_holds_nothing_of_other_registries() -> None:
    text = of_desk(DeskRig()).metrics.render_text()
    assert METRICS_TYPE.startswith("text/plain; version=0.0.4")
    assert METRICS_TYPE == CONTENT_TYPE_PLAIN_0_0_4
    assert b"# TYPE tradebot_quote_to_order_seconds histogram\n" in text
    assert b"python_info" not in text
    assert b"_created" not in text


def test_money_and_limits_are_those_of_the_desk() -> None:
    desk = DeskRig()
    rig = of_desk(desk)
    desk.bought()
    desk.quote("AAA", "900")
    assert rig.read("tradebot_pnl", kind="unrealized") == -1000
    assert rig.read("tradebot_pnl", kind="day") == -1001
    assert rig.read("tradebot_charges", span="day") == 1
    assert rig.read("tradebot_limit_used_ratio", limit="daily_loss") == pytest.approx(1.001)
    assert rig.read("tradebot_limit_used_ratio", limit="gross") == pytest.approx(0.225)
    assert rig.read("tradebot_limit_used_ratio", limit="orders_per_day") == pytest.approx(1 / 2000)
    assert rig.read("tradebot_limit_used_ratio", limit="open_orders") == 0
    assert rig.read("tradebot_position_quantity", symbol="AAA") == 10


def test_profit_that_is_not_realized_is_what_the_account_says() -> None:
    desk = DeskRig()
    account = desk.desk.account
    rig = of_desk(desk)
    desk.bought()
    for price in ("990", "1010.55", "1003.05"):
        desk.quote("AAA", price)
        assert rig.read("tradebot_pnl", kind="unrealized") == float(account.unrealized_profit())
        assert rig.read("tradebot_pnl", kind="total") == float(account.total_profit())


def test_orders_are_counted_by_state_and_purpose() -> None:
    desk = DeskRig()
    rig = of_desk(desk)
    request = enter_and_send(desk, OrderEventType.ACCEPTED, "V1")
    assert order_state(desk, request) is OrderState.ACKED
    assert rig.read("tradebot_orders", state="ACKED", purpose="entry") == 1
    assert rig.read("tradebot_orders", state="FILLED", purpose="entry") == 0
    assert rig.read("tradebot_limit_used_ratio", limit="open_orders") == pytest.approx(0.2)
    desk.fill(request, 10, "1000")
    assert rig.read("tradebot_orders", state="FILLED", purpose="entry") == 1


def test_what_the_gate_refuses_is_counted_by_control_and_every_control_is_there_from_the_beginning() -> None:
    desk = with_all_controls(DeskRig())
    rig = of_desk(desk)
    assert rig.read("tradebot_refusals_total", control="daily_loss") == 0
    desk.desk.apply_message(Command(verb=CommandVerb.HALT, reason="results"))
    desk.quote("AAA", "1000")
    desk.signal("AAA", Action.ENTER_LONG)
    assert rig.read("tradebot_refusals_total", control="halt") == 1
    assert rig.read("tradebot_orders", state="DENIED", purpose="entry") == 1


def test_halts_are_counted_by_the_kind_of_their_scope() -> None:
    desk = DeskRig()
    rig = of_desk(desk)
    assert rig.read("tradebot_halted") == 0
    desk.desk.apply_message(Command(verb=CommandVerb.HALT, reason="a", scope=Scope.for_symbol("AAA")))
    desk.desk.apply_message(Command(verb=CommandVerb.HALT, reason="b", scope=Scope.for_symbol("BBB")))
    assert [rig.read("tradebot_halts", scope=kind) for kind in ("symbol", "all")] == [2, 0]
    assert rig.read("tradebot_halted") == 0
    desk.desk.apply_message(Command(verb=CommandVerb.HALT, reason="c"))
    assert rig.read("tradebot_halted") == 1
    desk.desk.apply_message(Command(verb=CommandVerb.RESUME, reason="d"))
    assert rig.read("tradebot_halted") == 0


def test_a_position_has_its_resting_stop_or_lacks_it() -> None:
    venue = VenueModel(DeskRig(resting=RESTING))
    rig = of_desk(venue.rig)
    found = [(rig.read("tradebot_resting_stops", state="held"), rig.read("tradebot_resting_stops", state="missing"))]
    venue.buy()
    venue.deliver_all()
    venue.tick()
    found.append(
        (rig.read("tradebot_resting_stops", state="held"), rig.read("tradebot_resting_stops", state="missing"))
    )
    venue.run(1)
    found.append(
        (rig.read("tradebot_resting_stops", state="held"), rig.read("tradebot_resting_stops", state="missing"))
    )
    assert found == [(0, 0), (0, 1), (1, 0)]


def test_a_limit_of_nothing_is_used_up() -> None:
    desk = DeskRig()
    next(one for one in desk.desk.placement._gate.controls if isinstance(one, MaxOpenOrders)).max_open = 0
    assert of_desk(desk).read("tradebot_limit_used_ratio", limit="open_orders") == 1


def test_the_halt_file_halts_everything_and_is_named() -> None:
    rig = of_desk(DeskRig())
    rig.killed = "wrong limits"
    assert rig.read("tradebot_halted") == 1
    assert rig.read("tradebot_entries_blocked", reason="halt_file") == 1
    assert rig.read("tradebot_entries_blocked", reason="disk") == 0


def test_a_login_that_the_venue_refuses_is_needed_whatever_it_says_itself() -> None:
    desk = DeskRig()
    rig = of_desk(desk)
    assert rig.read("tradebot_login_state", state="LOGGED_IN") == 1
    rig.login_state = "EXPIRING"
    assert rig.read("tradebot_login_state", state="EXPIRING") == 1
    desk.desk.apply_message(BrokerSession(mono=desk.mono, lost_reason="token is dead"))
    assert rig.read("tradebot_login_state", state="NEED_LOGIN") == 1
    assert rig.read("tradebot_login_state", state="EXPIRING") == 0
    assert rig.read("tradebot_entries_blocked", reason="login") == 1


def test_the_session_is_open_between_its_times_alone() -> None:
    desk = DeskRig()
    rig = of_desk(desk)
    found = list[float | None]()
    for at in (OPEN - SECOND, OPEN, OPEN + 22_499 * SECOND, OPEN + 22_500 * SECOND):
        rig.clock.now_ns = at
        found.append(rig.read("tradebot_session_open"))
    assert found == [0, 1, 1, 0]
    assert rig.read("tradebot_session_closes_timestamp_seconds") == OPEN // SECOND + 22_500


def test_stages_journal_and_disk_are_read_at_the_scrape() -> None:
    rig = of_desk(DeskRig())
    rig.queues.market.put_nowait(object())
    rig.pending.pending_count = 2
    assert rig.read("tradebot_queue_depth", queue="market") == 1
    assert rig.read("tradebot_queue_depth", queue="execution") == 2
    assert rig.read("tradebot_queue_limit", queue="updates") == 10_000
    assert rig.read("tradebot_quotes_total", result="insane") == 2
    assert rig.read("tradebot_frames_dropped_total") == 3
    assert rig.read("tradebot_symbols", state="deciding") == 2
    assert rig.read("tradebot_journal_queue_rows") == 2
    assert rig.read("tradebot_journal_lag_seconds") == 1.5
    assert rig.read("tradebot_outbox_lag_rows") == 6
    assert rig.read("tradebot_outbox_up") == 1
    assert rig.read("tradebot_disk_level") == 1
    assert rig.read("tradebot_earlier_runs", end="clean") == 4
    rig.outbox.trouble, rig.disk.disk_space = "gone", None
    assert rig.read("tradebot_outbox_up") == 0
    assert rig.read("tradebot_disk_free_bytes") is None


def test_thousands_of_positions_have_two_hundred_series_and_say_how_many_are_left_out() -> None:
    many = ManyPositions(1_000)
    rig = MetricsRig()
    rig.attach(many.desk.account)
    found = scraped(rig.metrics.render_text())
    assert sum(name == "tradebot_position_quantity" for name, _ in found) == SYMBOLS_SHOWN
    assert found["tradebot_position_symbols_omitted", ()] == 800
    assert found["tradebot_positions", (("owner", "own"),)] == 1_000
    assert found["tradebot_pnl", (("kind", "unrealized"),)] == float(many.desk.account.unrealized_profit())


def test_a_scrape_adds_positions_up_from_the_desks_own_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    def walked(_: AccountView) -> Decimal:
        raise AssertionError("this walks over every position once more")

    many = ManyPositions(50)
    rig = MetricsRig()
    rig.attach(many.desk.account)
    monkeypatch.setattr(AccountView, "unrealized_profit", walked)
    assert rig.read("tradebot_positions", owner="own") == 50


def test_the_labels_of_a_run_are_few_whatever_it_trades() -> None:
    many = ManyPositions(1_000)
    rig = MetricsRig()
    rig.attach(many.desk.account)
    assert len(rig.metrics.render_text().splitlines()) < 1_300
