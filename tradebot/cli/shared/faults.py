"""Fault injection for the verbs: prints the catalogue, and makes the plan of the options."""

from __future__ import annotations

import json
import re

import click

from tradebot.config.values import parse_seconds
from tradebot.errors import ConfigError
from tradebot.exchange.faults.catalogue import FAULT_KINDS, KINDS_BY_NAME, FaultKind, FaultStage
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.faults.grammar import GRAMMAR, parse_rules
from tradebot.exchange.faults.points import ALL_POINTS, POINT_GROUPS, REST_POINTS

LIST_WORD = "list"
NAME_END = re.compile(r"[:@~]")  # ends the name of a fault


def render_catalogue(*, as_json: bool) -> str:
    """Return every fault of the exchange, as a table or as one JSON array."""
    if as_json:
        return json.dumps([kind.to_json() for kind in FAULT_KINDS])
    rows = [(kind.name, kind.ids, _where(kind.points), kind.description) for kind in FAULT_KINDS]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"{'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))}  {row[3]}" for row in rows
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"{len(FAULT_KINDS)} faults. Write --faults swarm, or {GRAMMAR}, comma separated;"
            " without @ or ~ every time.",
            f"WHERE is one of {', '.join(ALL_POINTS)}, or {', '.join(POINT_GROUPS)}.",
        ]
    )


def fault_plan_of(text: str | None, *, seed: int, until: str | None) -> FaultPlan | None:
    """Return the plan of `--faults` and `--faults-until`, None without faults.

    Raises ConfigError, BadParameter or UsageError.
    """
    if text is None:
        if until is not None:
            raise click.UsageError("--faults-until says when --faults end; name some faults")
        return None
    try:
        until_s = parse_seconds(until) if until is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--faults-until") from None
    rules = parse_rules(text, seed=seed)
    if named := [
        word
        for word in text.split(",")
        if (kind := KINDS_BY_NAME.get(NAME_END.split(word.strip())[0])) and acts_on_host(kind)
    ]:
        raise ConfigError(
            f"--faults: {named[0].strip()} acts on the daemon's process or host; only `tradebot simulate` can do that"
        )
    return FaultPlan([rule for rule in rules if not acts_on_host(rule.kind)], seed=seed, until_s=until_s)


def acts_on_host(kind: FaultKind) -> bool:
    """Return whether a fault acts on the daemon's own process or its host."""
    return kind.stage is FaultStage.MACHINE


def _where(points: tuple[str, ...]) -> str:
    return "rest" if points == REST_POINTS else ",".join(points)
