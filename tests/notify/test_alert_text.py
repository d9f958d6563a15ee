"""The group of an alert and its text: equal events counted, none missing, mode first, what to do, no secret."""

from __future__ import annotations

from decimal import Decimal

from tests.notify.notify_rig import START_AT, alert_writer
from tradebot.clock import SECOND
from tradebot.domain.order import OrderKind, OrderPurpose, Side
from tradebot.notify.alert_group import MAX_LINES, AlertGroup
from tradebot.notify.alert_text import MAX_BODY_CHARS
from tradebot.ops.events.desk import HaltRaised, IncidentRaised
from tradebot.ops.events.orders import OrderDenied
from tradebot.ops.events.run import CautionRaised, DaemonFailed
from tradebot.ops.events.storage import DiskSpaceDepleted

SECRET = "canary-Access-Token-77"


def denied(number: int, symbol: str = "TCS", reason: str = "no funds") -> OrderDenied:
    return OrderDenied(
        order_id=f"T{number}", symbol=symbol, side=Side.BUY, qty=Decimal(10), price=Decimal("3412.50"), reason=reason,
        kind=OrderKind.LIMIT, purpose=OrderPurpose.ENTRY,
    )  # fmt: skip


def group_of(*events: object) -> AlertGroup:
    group = AlertGroup()
    for number, event in enumerate(events):
        group.add_event(event, START_AT + number * SECOND)  # type: ignore[arg-type]
    return group


def test_a_message_names_mode_event_symbol_figures_time_and_what_to_do() -> None:
    message = alert_writer("rehearsal-live").write_alert(group_of(denied(1)))

    assert message.title == "REHEARSAL-LIVE: WARNING order denied"
    first, remedy = message.body.split("\n")
    assert first.startswith("10:00:00 IST WARNING order denied: TCS, BUY, qty 10, price 3,412.50, no funds")
    assert remedy == f"  Do: {OrderDenied.do}"


def test_equal_events_are_one_line_with_their_number_and_others_stay_apart() -> None:
    group = group_of(*(denied(n, reason=f"margin short by {n}") for n in range(5)), denied(6, "INFY"))

    message = alert_writer().write_alert(group)

    assert message.title == "LIVE: WARNING order denied and 5 more"
    assert "(5 times, last 10:00:04)" in message.body
    assert message.body.count("order denied") == 2
    assert message.body.count("Do:") == 1


def test_symbols_that_differ_in_a_number_are_told_apart() -> None:
    group = group_of(denied(1, "NIFTY26DECFUT"), denied(2, "NIFTY27JANFUT"))
    assert len(list(group.lines())) == 2


def test_the_most_urgent_event_comes_first() -> None:
    failed = DaemonFailed(reason="disk", error="OSError", exit_code=1, open_positions={"TCS": Decimal(5)})
    message = alert_writer().write_alert(
        group_of(CautionRaised(reason="x"), HaltRaised(reason="loss", scope="all"), failed)
    )
    assert message.title == "LIVE: CRITICAL daemon failed and 2 more"
    assert [line.split()[2] for line in message.body.split("\n") if "IST" in line] == ["CRITICAL", "ERROR", "WARNING"]
    assert "open positions TCS 5" in message.body


def test_a_group_stays_small_and_counts_every_event_of_ten_thousand() -> None:
    group = group_of(*(denied(n, symbol=f"S{chr(65 + n % 26)}{chr(65 + n // 26 % 26)}") for n in range(10_000)))
    group.add_event(HaltRaised(reason="too many", scope="all"), START_AT)

    message = alert_writer().write_alert(group)

    assert len(list(group.lines())) == MAX_LINES
    assert group.counts == {"order_denied": 10_000, "halt_raised": 1}
    assert len(message.body) < MAX_BODY_CHARS + 500
    # What has no line is counted under its name: lines and rest together are all of them.
    listed = message.body.count("WARNING order denied")
    assert "order_denied" in message.body.rpartition("\n")[2]
    assert "halt_raised 1" in message.body or "halt raised" in message.body
    assert listed > 5


def test_an_error_that_comes_when_the_group_is_full_is_named_all_the_same() -> None:
    group = group_of(*(IncidentRaised(reason=f"{chr(65 + n % 26)}{chr(97 + n // 26)}") for n in range(MAX_LINES)))
    group.add_event(HaltRaised(reason="loss", scope="all"), START_AT)

    assert group.has_error
    assert "halt_raised 1" in alert_writer().write_alert(group).body


def test_groups_are_merged_without_loss() -> None:
    before, later = group_of(denied(1), denied(2)), group_of(denied(3), HaltRaised(reason="loss", scope="all"))
    before.take_over(later)
    assert before.counts == {"order_denied": 3, "halt_raised": 1}
    assert before.has_error
    assert not before.is_critical


def test_secrets_control_characters_and_long_texts_stay_out() -> None:
    writer = alert_writer(secrets=[SECRET])
    bad = DiskSpaceDepleted(reason=f"{SECRET} \x1b[2J access_token={SECRET}x {'y' * 5000}", free_mb=1, reserve_kb=1)
    message = writer.write_alert(group_of(bad))
    assert SECRET not in message.body
    assert "\x1b" not in message.body
    assert len(message.body) < 1_500
