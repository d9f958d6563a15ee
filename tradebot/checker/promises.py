"""All promises that the checker knows, and their verdicts on the records of a journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tradebot.checker import (
    books_promises,
    cover_promises,
    day_promises,
    exit_promises,
    fill_promises,
    limit_promise,
    money_promises,
    order_promises,
    poll_promises,
    record_promises,
    stop_promises,
)
from tradebot.checker.evidence import read_evidence
from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseStatus, PromiseVerdict, verdict_broken

PROMISES: dict[str, tuple[str, Callable[[RunRecords], PromiseVerdict]]] = {
    "I1": ("at most once", order_promises.at_most_once),
    "I2": ("journal before wire", order_promises.journal_before_wire),
    "I3": ("no guess", order_promises.no_guess),
    "I4": ("nothing unexplained", order_promises.nothing_unexplained),
    "I5": ("gate is total", order_promises.gate_is_total),
    "I6": ("limits hold", limit_promise.limits_hold),
    "I7": ("halt is final", order_promises.halt_is_final),
    "I8": ("no fill lost", fill_promises.no_fill_lost),
    "I9": ("no fill twice", fill_promises.no_fill_twice),
    "I10": ("no fill refused", fill_promises.fill_never_refused),
    "I11": ("convergence", books_promises.books_converge),
    "I12": ("truth after restart", books_promises.truth_after_restart),
    "I13": ("exact arithmetic", money_promises.exact_arithmetic),
    "I14": ("function of fills", money_promises.pure_function_of_fills),
    "I15": ("no lone price", stop_promises.no_lone_price),
    "I29": ("others left alone", exit_promises.foreign_positions_kept),
    "I30": ("no row blinds", poll_promises.odd_rows_are_skipped),
    "I31": ("day's counters last", day_promises.daily_counters_last),
    "I32": ("stops hold", stop_promises.stops_hold),
    "I34": ("nothing offered twice", cover_promises.nothing_offered_twice),
    "I35": ("stops are there", cover_promises.stops_are_there),
    "I25": ("chain is whole", record_promises.chain_is_whole),
    "I26": ("determinism", record_promises.is_deterministic),
}


def judge_records(journal: Path, *, against: Path | None = None, trace: Path | None = None) -> list[PromiseVerdict]:
    """Read the records and return one verdict per promise. Raises StateError or DataError where they are unreadable.

    A record with missing or malformed fields breaks the promise that needs them.
    """
    return judge_run(RunRecords(read_evidence(journal, against=against, trace=trace)))


def judge_run(records: RunRecords) -> list[PromiseVerdict]:
    """Return one verdict per promise, in the order of PROMISES."""
    verdicts = []
    for promise, (_, decide) in PROMISES.items():
        try:
            verdicts.append(decide(records))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            verdicts.append(verdict_broken(promise, f"the records do not fit together: {type(error).__name__} {error}"))
    return verdicts


def are_kept(verdicts: Sequence[PromiseVerdict]) -> bool:
    """Return whether no promise is broken."""
    return all(verdict.status is not PromiseStatus.BROKEN for verdict in verdicts)


def verdict_rows(verdicts: Sequence[PromiseVerdict]) -> list[dict[str, str]]:
    """Return the verdicts as rows with the keys promise, name, ruling and evidence."""
    return [
        {"promise": v.promise, "name": PROMISES[v.promise][0], "ruling": str(v.status), "evidence": v.evidence}
        for v in verdicts
    ]


def verdicts_json(verdicts: Sequence[PromiseVerdict]) -> str:
    """Return the verdicts as JSON text: `kept` and the rows."""
    return json.dumps({"kept": are_kept(verdicts), "verdicts": verdict_rows(verdicts)}, indent=2)
