"""Signal masks from the values of rules, for the symbols of one close or for the bars of one symbol."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.domain.market import Floats
from tradebot.domain.messages import Action
from tradebot.indicators.plan import ExpressionValues
from tradebot.strategies.strategy import Rules

Mask = npt.NDArray[np.bool_]
EXIT_OF_ENTRY = {Action.ENTER_LONG: Action.EXIT_LONG, Action.ENTER_SHORT: Action.EXIT_SHORT}


class SignalMasks(NamedTuple):
    """Where each action has a signal, and the levels it would carry, as columns of one length.

    `when[action]` is a mask. `levels[action]` holds those of `stop_loss`, `trail_by`, `target` that are given for it.
    """

    when: dict[Action, Mask]
    levels: dict[Action, dict[str, Floats]]


def evaluate_rules(rules: Rules, values: ExpressionValues) -> SignalMasks:
    """Return the signals of rules for each row of `values`: a symbol of a close, or a bar of a history."""
    when = {action: values[node] == 1.0 for action, node in rules.when.items()}
    return with_valid_levels(
        when, {a: {name: values[n] for name, n in rules.protection.get(a, {}).items()} for a in when}
    )


def with_valid_levels(when: dict[Action, Mask], levels: dict[Action, dict[str, Floats]]) -> SignalMasks:
    """Return the signals without entries whose exit holds or whose given levels are not all finite numbers."""
    result = dict(when)
    for action, exit_of in EXIT_OF_ENTRY.items():
        if action in when:
            hits = when[action] & ~when[exit_of] if exit_of in when else when[action]
            for column in levels[action].values():
                hits = hits & np.isfinite(column)
            result[action] = hits
    return SignalMasks(result, levels)
