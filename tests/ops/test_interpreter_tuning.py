"""The interpreter of a trading process: its settings hold inside and are undone, its collections are measured."""

# ruff: noqa: PT012 -- what holds inside is looked at inside

from __future__ import annotations

import gc
import sys

import pytest

from tradebot.clock import ManualClock
from tradebot.ops.interpreter_tuning import GC_THRESHOLDS, tuned_interpreter


def test_each_collection_inside_is_measured_and_none_after() -> None:
    measured: list[str] = []
    with tuned_interpreter(ManualClock(), lambda name, ns: measured.append(name)):
        gc.collect()
    gc.collect()
    assert measured == ["gc_pause"]


def test_what_was_alive_before_is_left_out_of_collections_until_the_end() -> None:
    with tuned_interpreter(ManualClock(), lambda name, ns: None):
        inside = gc.get_freeze_count()
    assert inside > 1000
    assert gc.get_freeze_count() == 0


def test_thresholds_and_switch_interval_are_as_before_also_after_an_error() -> None:
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    with pytest.raises(RuntimeError), tuned_interpreter(ManualClock(), lambda name, ns: None):
        assert gc.get_threshold() == GC_THRESHOLDS
        assert sys.getswitchinterval() < interval
        raise RuntimeError
    assert gc.get_threshold() == thresholds
    assert sys.getswitchinterval() == pytest.approx(interval)
