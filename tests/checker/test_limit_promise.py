"""I6 from the journal alone: what each entry would mean at worst, against the limits that the run wrote down."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.checker.records import ENTRY, EXIT, LOST, RUN, Records, day
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseStatus, PromiseVerdict

WIDE = {
    "max_order_quantity": "10", "max_order_notional": "8000", "max_position_notional": "8000",
    "max_gross_notional": "8000",
}  # fmt: skip
PRICE = "3860.00"  # what each entry of two shares was valued at: 7,720 at worst


def written(limits: dict[str, str], reference: str | None = PRICE) -> Records:
    """The sound day with its limits, and the price that each order was valued at."""
    records = day()
    terms = ("terms", {"at": records.rows[1][1]["at"], "_run": RUN, "limits": limits})
    records.rows.insert(2, terms)
    for kind, body in records.rows:
        if kind == "order":
            body["mono"] = body["at"]
            if body["event"] == "intent":
                body["reference"] = reference
    return records


def judged(records: Records, folder: Path) -> PromiseVerdict:
    journal, _ = records.write(folder)
    return next(verdict for verdict in judge_records(journal) if verdict.promise == "I6")


def order(records: Records, place: str, event: str, order_id: str, at: int, **more: Any) -> None:
    """Put an event of an order before the event `place` of the lost one."""
    body = {"at": at, "mono": at, "_run": RUN, "order_id": order_id, "event": event} | more
    records.rows.insert(records.place(place, LOST), ("order", body))


def another(records: Records, symbol: str, quantity: str = "1", price: str = "1000") -> int:
    """Put an entry of another order before the lost one begins; returns its time."""
    at = records.find("intent", LOST)["at"] - 500_000_000
    request = {"order_id": f"{RUN}00009", "symbol": symbol, "side": "BUY", "quantity": quantity, "purpose": "entry"}
    order(records, "intent", "intent", f"{RUN}00009", at, request=request, checks=["size: ok"], reference=price)
    return at


def test_a_day_within_its_limits_keeps_them(tmp_path: Path) -> None:
    verdict = judged(written(WIDE), tmp_path)
    assert verdict.status is PromiseStatus.OK
    assert "2 entries" in verdict.evidence


@pytest.mark.parametrize("name", WIDE)
def test_an_entry_beyond_a_limit_is_named_with_the_limit(name: str, tmp_path: Path) -> None:
    verdict = judged(written(WIDE | {name: "1"}), tmp_path)
    assert verdict.status is PromiseStatus.BROKEN
    assert name in verdict.evidence
    assert ENTRY in verdict.evidence


def test_an_order_of_the_symbol_that_may_still_fill_counts(tmp_path: Path) -> None:
    records = written(WIDE)
    another(records, "TCS")
    verdict = judged(records, tmp_path)
    assert verdict.status is PromiseStatus.BROKEN
    assert f"{LOST} (row" in verdict.evidence
    assert "max_position_notional" in verdict.evidence


def test_an_order_just_cancelled_counts_for_two_seconds_more(tmp_path: Path) -> None:
    for late, ruling in ((1_900_000_000, PromiseStatus.BROKEN), (2_000_000_000, PromiseStatus.OK)):
        records = written(WIDE)
        at = another(records, "TCS")
        order(records, "intent", "sending", f"{RUN}00009", at)
        order(records, "intent", "seen_canceled", f"{RUN}00009", at)
        records.find("intent", LOST)["mono"] = at + late
        (folder := tmp_path / str(late)).mkdir()
        assert judged(records, folder).status is ruling


def test_what_other_symbols_would_hold_counts_toward_all_of_them(tmp_path: Path) -> None:
    for quantity, ruling in (("1", PromiseStatus.OK), ("3", PromiseStatus.BROKEN)):  # of 1,000 each, beside 7,720
        records = written(WIDE)
        another(records, "INFY", quantity)
        (folder := tmp_path / quantity).mkdir()
        assert judged(records, folder).status is ruling


def test_a_bar_tells_what_the_others_are_worth_by_now(tmp_path: Path) -> None:
    for paise, ruling in ((30_000, PromiseStatus.OK), (100_000, PromiseStatus.BROKEN)):
        records = written(WIDE)
        listed = next(body for kind, body in records.rows if kind == "universe")
        listed["instruments"].append({"symbol": "INFY", "price_decimals": 2})
        at = another(records, "INFY", "3")  # of 1,000 each; at 300 each they leave room
        columns = {
            "ids": ["<i1", b64encode(bytes([1])).decode()],
            "close": ["<i4", b64encode(paise.to_bytes(4, "little")).decode()],
        }
        records.rows.insert(records.place("intent", LOST), ("close", {"at": at, "_run": RUN, "columns": columns}))
        (folder := tmp_path / str(paise)).mkdir()
        assert judged(records, folder).status is ruling


def test_a_position_taken_over_from_the_venue_counts(tmp_path: Path) -> None:
    records = written(WIDE)
    look = next(body for kind, body in records.rows if kind == "reconciled")
    look["adopted"] = [["TCS", "1", "3800"]]
    assert judged(records, tmp_path).status is PromiseStatus.BROKEN


def test_an_exit_needs_no_room(tmp_path: Path) -> None:
    records = written(WIDE)
    records.find("intent", EXIT)["request"]["quantity"] = "200"
    assert judged(records, tmp_path).status is PromiseStatus.OK


def test_a_journal_from_before_the_price_was_written_down_shows_nothing(tmp_path: Path) -> None:
    without = judged(written(WIDE, reference=None), tmp_path)
    assert without.status is PromiseStatus.NOT_SHOWN
    assert "at what price" in without.evidence


def test_a_journal_without_the_limits_shows_nothing(tmp_path: Path) -> None:
    assert judged(day(), tmp_path).status is PromiseStatus.NOT_SHOWN
