"""Every promise the checker knows, and the judgement of one case."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tradebot.checker import (
    books_promises,
    day_promises,
    exit_promises,
    fill_promises,
    limit_promise,
    look_promises,
    money_promises,
    order_promises,
    record_promises,
    stop_promises,
)
from tradebot.checker.case import Case
from tradebot.checker.evidence import gather
from tradebot.checker.verdict import Ruling, Verdict, broken

PROMISES: dict[str, tuple[str, Callable[[Case], Verdict]]] = {
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
    "I11": ("convergence", books_promises.converges),
    "I12": ("truth after restart", books_promises.truth_after_restart),
    "I13": ("exact arithmetic", money_promises.exact_arithmetic),
    "I14": ("function of fills", money_promises.pure_function_of_fills),
    "I15": ("no lone price", stop_promises.no_lone_price),
    "I29": ("others left alone", exit_promises.others_are_left_alone),
    "I30": ("no row blinds", look_promises.no_row_blinds),
    "I31": ("day's counters last", day_promises.counters_last),
    "I32": ("stops hold", stop_promises.stops_hold),
    "I25": ("chain is whole", record_promises.chain_is_whole),
    "I26": ("determinism", record_promises.deterministic),
}


def judge(journal: Path, *, against: Path | None = None, trace: Path | None = None) -> list[Verdict]:
    """Return one verdict per promise. Raises StateError or DataError for records that cannot be read at all.

    A record whose fields do not fit together breaks the promise that needed them.
    """
    return judge_case(Case(gather(journal, against=against, trace=trace)))


def judge_case(case: Case) -> list[Verdict]:
    """Return one verdict per promise of records that are read."""
    verdicts = []
    for promise, (_, decide) in PROMISES.items():
        try:
            verdicts.append(decide(case))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            verdicts.append(broken(promise, f"the records do not fit together: {type(error).__name__} {error}"))
    return verdicts


def are_kept(verdicts: Sequence[Verdict]) -> bool:
    """Return whether no promise is broken."""
    return all(verdict.ruling is not Ruling.BROKEN for verdict in verdicts)


def render(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """Return the verdicts as rows for people or JSON."""
    return [
        {"promise": v.promise, "name": PROMISES[v.promise][0], "ruling": str(v.ruling), "evidence": v.evidence}
        for v in verdicts
    ]


def dumps(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as JSON text."""
    return json.dumps({"kept": are_kept(verdicts), "verdicts": render(verdicts)}, indent=2)
