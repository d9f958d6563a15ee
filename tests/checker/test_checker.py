"""The checker: a sound day breaks no promise, and each way to spoil it breaks the promise it concerns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.checker.records import ENTRY, EXIT, LOST, RUN, Records, day
from tradebot.__main__ import run_command_line as tradebot
from tradebot.checker.promises import PROMISES, are_kept, judge_records
from tradebot.checker.verdict import PromiseStatus, PromiseVerdict
from tradebot.errors import DataError, StateError


def judged(records: Records, folder: Path) -> dict[str, PromiseVerdict]:
    journal, log = records.write(folder)
    return {verdict.promise: verdict for verdict in judge_records(journal, against=log)}


def test_a_sound_day_keeps_every_promise_that_its_records_can_show(tmp_path: Path) -> None:
    verdicts = judged(day(), tmp_path)
    assert list(verdicts) == list(PROMISES)
    assert {p for p, v in verdicts.items() if v.status is not PromiseStatus.OK} == {
        "I6", "I7", "I10", "I15", "I26", "I30", "I31", "I32", "I35"
    }  # fmt: skip
    assert are_kept(list(verdicts.values()))


def test_without_the_exchanges_log_nothing_is_claimed_that_only_it_can_show(tmp_path: Path) -> None:
    journal, _ = day().write(tmp_path)
    verdicts = {verdict.promise: verdict.status for verdict in judge_records(journal)}
    assert {p for p in ("I1", "I2", "I4", "I8", "I11") if verdicts[p] is PromiseStatus.NOT_SHOWN} == {
        "I1",
        "I2",
        "I4",
        "I8",
        "I11",
    }
    assert verdicts["I5"] is verdicts["I14"] is verdicts["I25"] is PromiseStatus.OK


# ---- each spoils the sound day in one way


def sent_twice(r: Records) -> None:
    r.create(ENTRY)


def booked_twice_by_the_exchange(r: Records) -> None:
    r.version(ENTRY, "BUY", "V9", "REJECTED")


def sending_twice(r: Records) -> None:
    r.rows.insert(r.place("accepted"), ("order", dict(r.find("sending"))))


def changed_without_a_row(r: Records) -> None:
    r.line("request", method="PUT", path="/orders/regular/V1", params={}, status=200)


def changed_unchecked(r: Records) -> None:
    terms = {"quantity": "2", "price": "3850"}
    event = {"at": r.now, "_run": RUN, "order_id": ENTRY, "event": "replace_sent", "terms": terms, "checks": []}
    r.rows.insert(r.place("executed"), ("order", event))


def sent_before_the_row(r: Records) -> None:
    next(line for line in r.lines if line["kind"] == "order")["placed_at"] = r.find("sending")["at"] - 1


def sent_without_a_row(r: Records) -> None:
    del r.rows[r.place("sending")]


def given_up_after_one_look(r: Records) -> None:
    places = [i for i, (kind, _) in enumerate(r.rows) if kind == "reconciled"]
    for i in reversed([p for p in places if r.place("ambiguous", LOST) < p < r.place("not_found", LOST)]):
        del r.rows[i]


def doubt_ended_by_a_guess(r: Records) -> None:
    r.find("not_found", LOST)["event"] = "refused"


def given_up_while_the_exchange_has_it(r: Records) -> None:
    r.create(LOST)
    r.version(LOST, "BUY", "V3", "OPEN").update(placed_at=r.find("ambiguous", LOST)["at"], changed_at=0)


def order_out_of_nowhere(r: Records) -> None:
    r.version(f"{RUN}00077", "BUY", "V7", "COMPLETE", "0")


def order_older_than_its_row(r: Records) -> None:
    next(line for line in r.lines if line["kind"] == "order")["placed_at"] = r.find("intent")["at"] - 1


def a_check_failed(r: Records) -> None:
    r.find("intent")["checks"] = ["halt: ok", "size: 3 is more than 2"]


def no_checks(r: Records) -> None:
    r.find("intent")["checks"] = []


def denied_and_sent(r: Records) -> None:
    r.find("intent")["event"] = "denied"


def passed_twice(r: Records) -> None:
    r.rows.insert(r.place("sending"), ("order", dict(r.find("intent"))))


def sent_after_a_halt(r: Records) -> None:
    r.rows.insert(r.place("sending", LOST), ("halt", {"at": r.now, "_run": RUN, "verb": "halt", "reason": "x"}))


def a_restart_does_not_end_a_halt(r: Records) -> None:
    halt = ("halt", {"at": r.rows[0][1]["at"], "_run": RUN, "verb": "halt", "reason": "x"})
    r.rows.insert(0, halt)
    r.rows.insert(0, r.rows.pop(1))


def fill_missing(r: Records) -> None:
    del r.rows[r.place("executed", EXIT)]


def fill_invented(r: Records) -> None:
    r.lines = [line for line in r.lines if line.get("trade_id") != "X2"]


def fill_at_another_price(r: Records) -> None:
    r.find("executed")["execution"]["price"] = "3860.50"


def fill_booked_twice(r: Records) -> None:
    r.rows.insert(r.place("executed") + 1, ("order", dict(r.find("executed"))))


def fill_booked_for_two_orders(r: Records) -> None:
    r.rows.insert(r.place("executed", EXIT), ("order", r.find("executed") | {"order_id": EXIT}))


def excess_fill_refused(r: Records) -> None:
    first = next(line for line in r.lines if line["kind"] == "fill")
    r.lines.insert(r.lines.index(first) + 1, first | {"trade_id": "X9", "quantity": "1"})


def foreign_fill_refused(r: Records) -> None:
    first = next(line for line in r.lines if line["kind"] == "fill")
    r.version("", "BUY", "V8", "COMPLETE", "2")
    r.lines.append(first | {"trade_id": "X8", "order_id": "V8"})


def position_differs(r: Records) -> None:
    r.find("executed")["execution"]["quantity"] = "1"


def open_order_missed(r: Records) -> None:
    r.lines = [line for line in r.lines if not (line["kind"] == "order" and line["status"] == "COMPLETE")]


def still_in_the_air(r: Records) -> None:
    del r.rows[r.place("not_found", LOST)], r.rows[r.place("ambiguous", LOST)]


def sent_before_looking(r: Records) -> None:
    del r.rows[2]


def left_in_the_air_by_the_run_before(r: Records) -> None:
    again = Records()
    again.now = r.now
    again.start("Tzzzzzzzz")
    place = r.place("ambiguous", LOST)
    r.rows[place:place] = again.rows
    r.rows[place + 3 : place + 3] = [
        ("order", b | {"order_id": "Tzzzzzzzz00001", "_run": "Tzzzzzzzz"})
        for b in (r.find("intent"), r.find("sending"))
    ]


def fill_missed_by_the_first_look(r: Records) -> None:
    second = Records()
    second.now = r.now
    second.start("Tzzzzzzzz")
    fill = r.rows.pop(r.place("executed", EXIT))
    r.rows[-2:-2] = [*second.rows, fill]


def float_in_a_price(r: Records) -> None:
    r.find("executed")["execution"]["price"] = 3860.55


def price_between_ticks(r: Records) -> None:
    r.find("executed")["execution"]["price"] = "3860.551"


def cash_does_not_add_up(r: Records) -> None:
    r.lines[-1]["cash"] = "49977.50"


def totals_do_not_follow(r: Records) -> None:
    r.rows[-1][1]["summary"]["realized"] = "-14.20"


def charges_do_not_follow(r: Records) -> None:
    r.rows[-1][1]["summary"]["charges"] = "8.23"


def positions_do_not_follow(r: Records) -> None:
    r.rows[-1][1]["summary"]["open_positions"] = {"TCS": "2"}


SPOILED: list[tuple[str, Callable[[Records], None]]] = [
    ("I1", sent_twice), ("I1", booked_twice_by_the_exchange), ("I1", sending_twice),
    ("I1", changed_without_a_row), ("I5", changed_unchecked),
    ("I2", sent_before_the_row), ("I2", sent_without_a_row),
    ("I3", given_up_after_one_look), ("I3", doubt_ended_by_a_guess), ("I3", given_up_while_the_exchange_has_it),
    ("I4", order_out_of_nowhere), ("I4", order_older_than_its_row),
    ("I5", a_check_failed), ("I5", no_checks), ("I5", denied_and_sent), ("I5", passed_twice),
    ("I7", sent_after_a_halt), ("I7", a_restart_does_not_end_a_halt),
    ("I8", fill_missing), ("I8", fill_invented), ("I8", fill_at_another_price),
    ("I9", fill_booked_twice), ("I9", fill_booked_for_two_orders),
    ("I10", excess_fill_refused), ("I10", foreign_fill_refused),
    ("I11", position_differs), ("I11", open_order_missed), ("I11", still_in_the_air),
    ("I12", sent_before_looking), ("I12", left_in_the_air_by_the_run_before), ("I12", fill_missed_by_the_first_look),
    ("I13", float_in_a_price), ("I13", price_between_ticks), ("I13", cash_does_not_add_up),
    ("I14", totals_do_not_follow), ("I14", charges_do_not_follow), ("I14", positions_do_not_follow),
]  # fmt: skip


def test_a_working_order_that_a_list_misses_is_in_doubt_and_not_given_up(tmp_path: Path) -> None:
    records = day()
    acked = records.place("accepted")
    at, seen = records.rows[acked][1]["at"], records.rows[acked][1] | {"event": "seen_acked"}
    doubts = ("ambiguous", "not_found")  # the answer comes after the order was seen; then one list misses it
    records.rows[acked:acked + 1] = [
        ("order", seen),
        *(("order", {"at": at, "_run": RUN, "order_id": ENTRY, "event": event}) for event in doubts),
        ("order", seen),
    ]  # fmt: skip
    assert judged(records, tmp_path)["I3"].status is PromiseStatus.OK


@pytest.mark.parametrize("fault", ["broken-row", "text-numbers"])
@pytest.mark.parametrize(("tag", "ruling"), [("", PromiseStatus.OK), (f"{RUN}00044", PromiseStatus.BROKEN)])
def test_a_fill_of_another_hand_waits_for_the_row_of_its_order_at_a_start(
    tag: str, ruling: PromiseStatus, fault: str, tmp_path: Path
) -> None:
    records = day()
    del records.rows[-2:], records.lines[-1]
    records.version(tag, "BUY", "V9", "COMPLETE", "2")
    records.line("fill", trade_id="X9", order_id="V9", traded_at=records.now, charges="0", symbol="TCS",
                 exchange="NSE", side="BUY", quantity="2", price="3860", product="CNC")  # fmt: skip
    records.now += 60_000_000_000
    records.line("fault", name=fault, where="orders.list", n=1, at=records.now)
    records.start("Tzzzzzzzz")
    records.end()
    assert judged(records, tmp_path)["I12"].status is ruling


@pytest.mark.parametrize(("promise", "spoil"), SPOILED, ids=lambda x: x if isinstance(x, str) else x.__name__)
def test_a_spoiled_day_breaks_the_promise(promise: str, spoil: Callable[[Records], None], tmp_path: Path) -> None:
    records = day()
    spoil(records)
    verdict = judged(records, tmp_path)[promise]
    assert verdict.status is PromiseStatus.BROKEN, verdict.evidence
    assert any(c.isdigit() for c in verdict.evidence), "the evidence names a row, a line or an order"
    assert "do not fit together" not in verdict.evidence


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM rows WHERE seq = 5", "row 5 is missing"),
        ("DELETE FROM rows WHERE seq = 1", "row 1 is missing"),
        ("UPDATE rows SET body = replace(body, '3860', '3861') WHERE seq = 7", "row 7 is torn"),
        ("UPDATE rows SET body = CAST(replace(body, '3860', '3861') AS BLOB) WHERE seq = 7", "row 7 was changed"),
        ("UPDATE rows SET at = at + 1 WHERE seq = 4", "row 4 was changed"),
        ("UPDATE rows SET seq = CASE seq WHEN 5 THEN 106 ELSE 105 END WHERE seq IN (5, 6)", "row 5 is missing"),
    ],
)
def test_a_row_missing_torn_changed_or_moved_breaks_the_chain(statement: str, says: str, tmp_path: Path) -> None:
    journal, log = day().write(tmp_path)
    db = sqlite3.connect(journal)
    with db:
        db.execute(statement)
    db.close()
    (chain,) = (v for v in judge_records(journal, against=log) if v.promise == "I25")
    assert chain.status is PromiseStatus.BROKEN
    assert says in chain.evidence


def test_two_rows_that_changed_places_break_the_chain(tmp_path: Path) -> None:
    journal, _ = day().write(tmp_path)
    db = sqlite3.connect(journal)
    with db:
        for old, new in ((5, -1), (6, 5), (-1, 6)):
            db.execute("UPDATE rows SET seq = ? WHERE seq = ?", (new, old))
    db.close()
    assert {v.promise for v in judge_records(journal) if v.status is PromiseStatus.BROKEN} >= {"I25"}


def test_a_file_cut_in_the_middle_is_damage_and_no_crash(tmp_path: Path) -> None:
    records = day()
    for _ in range(200):
        records.look()
    journal, _ = records.write(tmp_path)
    journal.write_bytes(journal.read_bytes()[:20_000] + bytes(20_000))
    (chain,) = (v for v in judge_records(journal) if v.promise == "I25")
    assert chain.status is PromiseStatus.BROKEN


def trace(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_trace_orders_the_disk_and_the_wire(tmp_path: Path) -> None:
    records = day()
    journal, _ = records.write(tmp_path)
    seq = records.place("sending") + 1
    synced = {"did": "synced", "seq": seq}
    sent = {"did": "sent", "request": "create", "order_id": ENTRY}
    for lines, ruling in (((synced, sent), PromiseStatus.OK), ((sent, synced), PromiseStatus.BROKEN)):
        path = tmp_path / "trace.jsonl"
        path.write_text(trace({"did": "synced", "seq": seq - 1}, *lines))
        (verdict,) = (v for v in judge_records(journal, trace=path) if v.promise == "I2")
        assert verdict.status is ruling


def test_a_trace_wants_a_row_for_each_change(tmp_path: Path) -> None:
    records = day()
    terms = {"quantity": "2", "price": "3850"}
    event = {"at": records.now, "_run": RUN, "order_id": ENTRY, "event": "replace_sent", "terms": terms}
    records.rows.insert(records.place("executed"), ("order", event))
    journal, _ = records.write(tmp_path)
    synced = {"did": "synced", "seq": len(records.rows)}
    change = {"did": "sent", "request": "modify", "order_id": ENTRY}
    for lines, ruling in (((synced, change), PromiseStatus.OK), ((synced, change, change), PromiseStatus.BROKEN)):
        path = tmp_path / "trace.jsonl"
        path.write_text(trace(*lines))
        (verdict,) = (v for v in judge_records(journal, trace=path) if v.promise == "I2")
        assert verdict.status is ruling, verdict.evidence


@pytest.mark.parametrize("asked", [1, 2])
def test_a_change_by_an_id_that_the_venue_gave_two_orders_may_be_of_either(tmp_path: Path, asked: int) -> None:
    records = day()
    terms = {"quantity": "2", "price": "3850"}
    event = {"at": records.now, "_run": RUN, "order_id": EXIT, "event": "replace_sent", "terms": terms, "checks": []}
    records.rows.insert(records.place("executed", EXIT), ("order", event | {"venue_order_id": "V1"}))
    for _ in range(asked):
        changed_without_a_row(records)

    verdict = judged(records, tmp_path)["I1"]

    assert verdict.status is (PromiseStatus.OK if asked == 1 else PromiseStatus.BROKEN), verdict.evidence


def test_a_halt_with_exits_only_and_a_resume_keeps_the_promise(tmp_path: Path) -> None:
    records = day()
    halt = ("halt", {"at": records.now, "_run": RUN, "verb": "halt", "reason": "x"})
    records.rows.insert(records.place("sending", EXIT), halt)
    records.rows.insert(records.place("intent", LOST), ("resume", {"at": records.now, "_run": RUN}))
    assert judged(records, tmp_path)["I7"].status is PromiseStatus.OK


@pytest.mark.parametrize(
    ("halt", "kept"),
    [
        ({"verb": "halt", "reason": "the day is at -1200.00, max_daily_loss is 1000"}, True),  # before the field
        ({"verb": "halt", "reason": "the day's loss", "until": "session"}, True),
        ({"verb": "halt", "reason": "max_daily_loss looks wrong, do not trade"}, False),
        ({"verb": "halt", "reason": "the day is at -1200.00, max_daily_loss is 1000", "until": "resume"}, False),
        ({"verb": "flatten", "reason": "x"}, False),
    ],
)
def test_a_halt_of_the_day_before_ends_with_its_day_only_where_a_rule_called_it_for_the_day(
    halt: dict[str, str], kept: bool, tmp_path: Path
) -> None:
    records = day()
    records.rows.insert(0, (halt["verb"], halt | {"at": records.rows[0][1]["at"] - 86_400_000_000_000, "_run": RUN}))
    assert (judged(records, tmp_path)["I7"].status is PromiseStatus.OK) is kept


def test_what_a_halt_explains_is_not_held_against_the_end(tmp_path: Path) -> None:
    records = day()
    open_order_missed(records)
    records.rows.insert(-1, ("halt", {"at": records.now, "_run": RUN, "verb": "halt", "reason": "unexplained order"}))
    verdict = judged(records, tmp_path)["I11"]
    assert verdict.status is PromiseStatus.OK
    assert "unexplained order" in verdict.evidence


def test_a_fill_that_came_after_the_cut_is_not_lost_yet(tmp_path: Path) -> None:
    records = day()
    del records.rows[records.place("executed", EXIT) :]
    verdicts = judged(records, tmp_path)
    assert verdicts["I8"].status is verdicts["I11"].status is PromiseStatus.NOT_SHOWN


def test_another_account_in_the_same_journal_is_none_of_the_exchanges_business(tmp_path: Path) -> None:
    records = day()
    records.row("run", run_id="Tother000", mode="live", account="AB1234")
    records.order("Tother00000001", "BUY", "entry")
    records.order_event("Tother00000001", "sending")
    verdicts = judged(records, tmp_path)
    assert are_kept(list(verdicts.values()))


def test_records_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    journal, log = day().write(tmp_path)
    with pytest.raises(StateError, match="there is no journal"):
        judge_records(tmp_path / "none")
    with pytest.raises(StateError, match="cannot read"):
        judge_records(journal, against=tmp_path / "none")
    log.write_text('{"kind":"session"}\nnonsense\n')
    with pytest.raises(DataError, match=":2: not JSON"):
        judge_records(journal, against=log)


def test_the_command_exits_with_70_and_names_what_was_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, log = day().write(tmp_path)
    assert tradebot(["verify", str(journal), "--against", str(log)]) == 0
    assert "unbroken chain" in capsys.readouterr().out
    spoiled = day()
    fill_booked_twice(spoiled)
    (tmp_path / "spoiled").mkdir()
    journal, log = spoiled.write(tmp_path / "spoiled")
    assert tradebot(["verify", str(journal), "--against", str(log), "--json"]) == 70
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert answer["kept"] is False
    assert [v["promise"] for v in answer["verdicts"] if v["ruling"] == "broken"] == ["I9"]
    assert "I9" in said.err


def other_hand(folder: Path, *, asked: bool, next_day: bool) -> PromiseStatus:
    """A fill of the owner in our symbol behind our last order, perhaps asked for, perhaps followed by another day."""
    records = day()
    early = records.find("sending")["at"]
    records.lines[0]["opens_at"] = records.lines[0]["at"]
    records.line("fill", trade_id="X9", order_id="V9", traded_at=early, charges="0", symbol="TCS", exchange="NSE",
                 side="BUY", quantity="1", price="3860", product="MIS")  # fmt: skip
    if asked:
        records.line("request", method="GET", path="/trades", params={}, status=200)
    if next_day:
        records.line("session", account="SIM", cash="50000", resumed=True, opens_at=records.now + 1)
    return judged(records, folder)["I8"].status


@pytest.mark.parametrize(
    ("asked", "next_day", "ruling"),
    [(False, False, PromiseStatus.BROKEN), (True, True, PromiseStatus.BROKEN), (False, True, PromiseStatus.OK)],
)
def test_a_fill_that_no_book_showed_before_its_day_was_over_is_not_lost(
    asked: bool, next_day: bool, ruling: PromiseStatus, tmp_path: Path
) -> None:
    assert other_hand(tmp_path, asked=asked, next_day=next_day) is ruling
