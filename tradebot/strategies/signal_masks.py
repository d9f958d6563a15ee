"""From the values of rules to what fires: the same for the symbols of one close and for the bars of one symbol."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.domain.market_data import Floats
from tradebot.domain.messages import Action
from tradebot.indicators.plan import ExpressionValues
from tradebot.strategies.strategy import Rules

Mask = npt.NDArray[np.bool_]
EXIT_OF_ENTRY = {Action.ENTER_LONG: Action.EXIT_LONG, Action.ENTER_SHORT: Action.EXIT_SHORT}


class SignalMasks(NamedTuple):
    """Where each action fires, and the prices it would take along, as columns of one length.

    `levels[action]` holds the columns among `stop_loss`, `trail_by`, `target` that are given for it.
    """

    when: dict[Action, Mask]
    levels: dict[Action, dict[str, Floats]]


def evaluate_rules(rules: Rules, values: ExpressionValues) -> SignalMasks:
    """Return what the rules ask for, row by row of the values: symbols of a close, or bars of a history."""
    when = {action: values[node] == 1.0 for action, node in rules.when.items()}
    return with_valid_levels(
        when, {a: {name: values[n] for name, n in rules.protection.get(a, {}).items()} for a in when}
    )


def with_valid_levels(when: dict[Action, Mask], levels: dict[Action, dict[str, Floats]]) -> SignalMasks:
    """Return what fires where: no entry while its exit holds, none whose protection is not a finite number."""
    result = dict(when)
    for action, exit_of in EXIT_OF_ENTRY.items():
        if action in when:
            hits = when[action] & ~when[exit_of] if exit_of in when else when[action]
            for column in levels[action].values():
                hits = hits & np.isfinite(column)
            result[action] = hits
    return SignalMasks(result, levels)
