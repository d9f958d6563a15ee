"""What may change while the daemon runs: compares two configurations and sorts their differences. Pure.

A change is taken up whole or not at all. A limit may be lowered at any time; it may be raised while the account is
flat, or where a person confirms it. The parameters of a strategy may change, and nothing else of it. What the running
daemon cannot take up needs a restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from tradebot.config import Config, secret_keys

# Of [risk], each a limit: the larger, the more may be lost.
RELOADED_LIMITS = frozenset(
    f"risk.{name}"
    for name in (
        "order_notional",
        "max_order_quantity",
        "max_order_notional",
        "max_position_notional",
        "max_gross_notional",
        "max_daily_loss",
        "max_open_orders",
        "max_stop_pct",
        "orders_per_second",
        "orders_per_minute",
        "orders_per_day",
    )
)
# Who gets alerts is among the secrets and needs a restart.
RELOADED_ALERTS = frozenset(
    f"notify.{name}" for name in ("level", "add", "leave_out", "summary", "window_s", "longest_s", "warnings_per_hour")
)
RELOADED_OTHERS = RELOADED_ALERTS | {"log.level"}
PARAMETER = re.compile(r"strategy\.\d+\.params\.")  # begins the key of a strategy's parameter


class SettingChange(NamedTuple):
    """A setting that differs: its dotted key, the value of the run, and the one of the file."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {' -> '.join(self.texts)}"

    @property
    def texts(self) -> list[str]:
        """Return both values as text."""
        return ["not set" if value is None else str(value) for value in (self.before, self.after)]


class ReloadPlan(NamedTuple):
    """The differences: `changes` can be taken up, `raised` are those of them that raise a limit, `unsafe` cannot."""

    changes: tuple[SettingChange, ...]
    raised: tuple[SettingChange, ...]
    unsafe: tuple[SettingChange, ...]

    @property
    def has_parameters(self) -> bool:
        """Return True when a parameter of a strategy changes."""
        return any(PARAMETER.match(change.key) for change in self.changes)


def plan_reload(running: Config, wanted: Config) -> ReloadPlan:
    """Return what differs between the settings of a run and those that are wanted; secrets are not compared."""
    secrets = frozenset(secret_keys())
    changes = [change for change in _differences(running, wanted) if change.key not in secrets]
    taken = [change for change in changes if _is_reloaded(change.key)]
    raised = [change for change in taken if change.key in RELOADED_LIMITS and _number(change) > 0]
    unsafe = [change for change in changes if change not in taken]
    return ReloadPlan(tuple(taken), tuple(raised), tuple(unsafe))


def _is_reloaded(key: str) -> bool:
    # A strategy that is new or gone has a name that differs, and that needs a restart.
    return key in RELOADED_LIMITS | RELOADED_OTHERS or PARAMETER.match(key) is not None


def _differences(running: Config, wanted: Config) -> Iterator[SettingChange]:
    before, after = dict(_leaves(running.model_dump())), dict(_leaves(wanted.model_dump()))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield SettingChange(key, before.get(key), after.get(key))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):  # an empty one has no setting
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(part, dict) for part in value):
        for number, part in enumerate(value, 1):
            yield from _leaves(part, f"{path}.{number}")
    else:
        yield path, value


def _number(change: SettingChange) -> Decimal:
    return Decimal(str(change.after)) - Decimal(str(change.before))
