"""Walk-forward: the spans on which parameters are chosen, and the spans after them on which the choice is tested."""

from __future__ import annotations

from enum import StrEnum

from tradebot.domain.message import Message
from tradebot.errors import ConfigError

MAX_FOLDS = 1_000


class WalkForwardKind(StrEnum):
    """Where a training span begins: always at the start of the data, or a fixed length before its test."""

    ANCHORED = "anchored"
    ROLLING = "rolling"


class WalkForwardFold(Message, frozen=True):
    """One fold, in market ns: train on [`train_from`, `train_to`), test on [`train_to`, `test_to`)."""

    number: int
    train_from: int
    train_to: int
    test_to: int


def make_folds(begin: int, end: int, *, kind: WalkForwardKind, train_ns: int, test_ns: int) -> list[WalkForwardFold]:
    """Return the folds over [`begin`, `end`) in market ns; each test span follows the previous one.

    The lengths `train_ns` and `test_ns` are in ns. The last test is cut at the end of the data, and left out where it
    would be shorter than half of `test_ns`. Raises ConfigError for more than MAX_FOLDS folds, and when the data are too
    short for one.
    """
    assert train_ns > 0, f"a training span has a length, was {train_ns}"
    assert test_ns > 0, f"a test span has a length, was {test_ns}"
    found: list[WalkForwardFold] = []
    at = begin + train_ns
    while at + test_ns // 2 <= end and at < end:
        start = begin if kind is WalkForwardKind.ANCHORED else at - train_ns
        found.append(
            WalkForwardFold(number=len(found) + 1, train_from=start, train_to=at, test_to=min(at + test_ns, end))
        )
        at += test_ns
        if len(found) > MAX_FOLDS:
            raise ConfigError(f"--test gives more than {MAX_FOLDS:,} folds; take a longer one")
    if not found:
        raise ConfigError("the data are too short for one --train span with a --test span after it")
    return found
