"""The heat map of a sweep: one self-contained HTML page, with any two parameters against any figure."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from tradebot import __version__
from tradebot.backtest.check import Check
from tradebot.backtest.metrics import LABELS
from tradebot.backtest.report import fill_template
from tradebot.sweep.parameter_space import ParameterValues
from tradebot.sweep.sweep import SweepPlan, best_row, rank_rows
from tradebot.sweep.trial import DONE, TEST, TRAIN, TrialRow

MAX_ROWS = 20_000  # on the page, which is about 1 MB then
BEST_ROWS = 20
SHOWN_FIGURES = ("net", "total_return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor", "cost_share")


def heat_map_page(
    rows: Sequence[TrialRow], plan: SweepPlan, checks: Sequence[Check], *, title: str, period: str, currency: str
) -> str:
    """Return the HTML page; of a sweep with more than MAX_ROWS rows it has only the best MAX_ROWS by the objective."""
    searched = [row for row in rows if row.role != TEST]
    if len(searched) > MAX_ROWS:
        searched = rank_rows(searched, plan.objective)[:MAX_ROWS]
        period += f"; the best {MAX_ROWS:,} of {len(rows):,} trials"
    places = {axis.name: {value: i for i, value in enumerate(axis.values)} for axis in plan.space.axes}

    def at(values: ParameterValues) -> list[int]:
        return [places[axis.name][values[axis.name]] for axis in plan.space.axes]

    folds = sorted({row.fold for row in searched})
    winners = [(fold, best_row([row for row in searched if row.fold == fold], plan.objective)) for fold in folds]
    top = rank_rows(searched if len(folds) == 1 else [row for row in rows if row.role == TEST], plan.objective)[
        :BEST_ROWS
    ]
    return fill_template(
        files("tradebot.sweep").joinpath("page/heat.html").read_text(encoding="utf-8"),
        title=title,
        styles=files("tradebot.sweep").joinpath("page/heat.css").read_text(encoding="utf-8"),
        script=files("tradebot.sweep").joinpath("page/heat.js").read_text(encoding="utf-8"),
        story={
            "period": period,
            "made_by": f"tradebot {__version__}. Money is in {currency}.",
            "locale": "en-IN" if currency == "INR" else "en-US",
            "objective": plan.objective,
            "checks": [check.json_values() for check in checks],
            "axes": [{"name": axis.name, "values": list(axis.values)} for axis in plan.space.axes],
            "figures": [{"name": name, "text": label.text, "kind": label.kind} for name, label in LABELS.items()],
            "rows": [
                {"fold": row.fold, "at": at(row.values), "figures": [row.figures.get(name) for name in LABELS]}
                for row in searched
                if row.state == DONE
            ],
            "best": [{"fold": fold, "at": at(row.values)} for fold, row in winners if row is not None],
            "span_head": ["span", *places, "in training", "in its test", "net of the test"],
            "spans": _spans(rows, plan),
            "table_head": ["trial", *places, *(LABELS[name].text for name in SHOWN_FIGURES)],
            "table": [
                [str(row.number), *map(str, row.values.values()), *(format_figure(row, name) for name in SHOWN_FIGURES)]
                for row in top
            ],
        },
    )


def format_figure(row: TrialRow, name: str) -> str:
    """Return a figure of a row formatted for people, "-" where it is not defined."""
    value, kind = row.figures.get(name), LABELS[name].kind
    if value is None:
        return "-"
    if kind == "percent":
        return f"{value:.2%}"
    return f"{value:,.0f}" if kind == "count" or (kind == "money" and abs(value) >= 10_000) else f"{value:,.2f}"


def _spans(rows: Sequence[TrialRow], plan: SweepPlan) -> list[list[Any]]:
    found = []
    for test in (row for row in rows if row.role == TEST):
        winner = best_row([row for row in rows if row.role == TRAIN and row.fold == test.fold], plan.objective)
        trained = format_figure(winner, plan.objective) if winner else "-"
        values = [str(test.values[axis.name]) for axis in plan.space.axes]
        found.append(
            [str(test.fold), *values, trained, format_figure(test, plan.objective), format_figure(test, "net")]
        )
    return found
