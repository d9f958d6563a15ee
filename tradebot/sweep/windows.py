"""Walk-forward: the spans of time to choose parameters on and the ones after them to try the choice on."""

from __future__ import annotations

from enum import StrEnum

from tradebot.domain.message import Message
from tradebot.errors import ConfigError

MOST_FOLDS = 1_000


class WalkForward(StrEnum):
    """Where the training span begins: always at the start of the data, or a fixed length before the test."""

    ANCHORED = "anchored"
    ROLLING = "rolling"


class Fold(Message, frozen=True):
    """One step forward, in market ns: train on [`train_from`, `train_to`), test on [`train_to`, `test_to`)."""

    number: int
    train_from: int
    train_to: int
    test_to: int


def folds(begin: int, end: int, *, kind: WalkForward, train: int, test: int) -> list[Fold]:
    """Return the folds over [`begin`, `end`), each test following the one before it; lengths in ns.

    The last test is cut at the end of the data, and left out where it would be shorter than half of `test`. Raises
    ConfigError when the data are too short for one fold.
    """
    assert train > 0, f"a training span has a length, was {train}"
    assert test > 0, f"a test span has a length, was {test}"
    found: list[Fold] = []
    at = begin + train
    while at + test // 2 <= end and at < end:
        start = begin if kind is WalkForward.ANCHORED else at - train
        found.append(Fold(number=len(found) + 1, train_from=start, train_to=at, test_to=min(at + test, end)))
        at += test
        if len(found) > MOST_FOLDS:
            raise ConfigError(f"--test gives more than {MOST_FOLDS:,} folds; take a longer one")
    if not found:
        raise ConfigError("the data are too short for one --train span with a --test span after it")
    return found
