"""Builds the plan of a sweep from its options: parameter sets, spans of a walk-forward, symbols."""

from __future__ import annotations

from typing import Any


def build_sweep_plan(given: dict[str, Any], job: Any, series: dict[str, Any], spec: Any) -> Any:
    """Return the plan that the options describe. Raises ConfigError."""
    from tradebot.errors import ConfigError
    from tradebot.sweep.parameter_space import parse_space
    from tradebot.sweep.search import SearchKind
    from tradebot.sweep.sweep import SweepPlan
    from tradebot.sweep.walk_forward import WalkForwardKind, make_folds

    kind = SearchKind(given["kind"])
    if kind is SearchKind.GRID and given["trials"] is not None:
        raise ConfigError("--trials is for --search random and optuna; a grid tries every combination")
    if given["each_symbol"] and (kind is SearchKind.OPTUNA or given["forward"] is not None):
        raise ConfigError("--each-symbol compares the same parameters over symbols: use a grid or random, all at once")
    space = parse_space(given["params"], spec.load_class().params, strategy=spec.name)
    begin, end = trading_span(job, series)
    steps = (
        []
        if given["forward"] is None
        else make_folds(
            begin,
            end,
            kind=WalkForwardKind(given["forward"]),
            train_ns=_window("--train", given["train"]),
            test_ns=_window("--test", given["test"]),
        )
    )
    return SweepPlan(
        space=space,
        kind=kind,
        trials=given["trials"],
        seed=given["seed"],
        objective=given["objective"],
        folds=tuple(steps),
        symbols=tuple(series) if given["each_symbol"] else (),
    )


def _window(option: str, text: str) -> int:
    from tradebot.errors import ConfigError
    from tradebot.history.interval import MONTH, parse_interval

    found = parse_interval(text)
    if found == MONTH and "d" not in text.lower():
        raise ConfigError(f"{option} {text}: months are not of one length; say days, such as 30d")
    return found


def trading_span(job: Any, series: dict[str, Any]) -> tuple[int, int]:
    """Return the midnight before the first traded bar, and the end of trading, of a job in market ns."""
    import pandas as pd

    first = min(int(one.starts[0]) for one in series.values()) if job.begin is None else job.begin
    last = max(int(one.starts[-1]) for one in series.values()) + job.interval
    midnight = pd.Timestamp(first, unit="ns", tz=job.zone).normalize()
    return int(midnight.as_unit("ns").value), last if job.end is None else min(job.end, last)
