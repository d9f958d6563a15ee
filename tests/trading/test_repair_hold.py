"""Who waits for a repair: all until their own bars are here, with several outages until the last; what that cost."""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import BarSeries
from tradebot.ops.events.analysis import SignalsResumed, SignalsWithheld
from tradebot.trading.analysis.repaired_bars import RepairedBars, SpoiledBars
from tradebot.trading.repair_hold import RepairHold

SYMBOLS = ("AAA", "BBB", "CCC")
ENDED = SpoiledBars(until=None, bars=0)


def hold(*spoiled: SpoiledBars) -> RepairHold:
    found = RepairHold()
    for one in spoiled:
        found.on_spoiled(one, SYMBOLS)
    return found


def repaired(*symbols: str, until: int, without: str = "") -> RepairedBars:
    none = np.empty(0, dtype=np.int64)
    columns = dict.fromkeys(("starts", "open", "high", "low", "close", "volume"), none)
    series = tuple(BarSeries(symbol=s, interval=60, **columns) for s in symbols if s != without)
    return RepairedBars(series, symbols, until)


def test_each_part_of_a_repair_frees_its_symbols() -> None:
    held = hold(SpoiledBars(until=500, bars=4))
    held.on_repaired(repaired("BBB", until=500))
    assert held.symbols == ("AAA", "CCC")
    held.on_repaired(repaired("AAA", "CCC", until=500))
    assert held.symbols == ()


def test_of_two_outages_the_later_one_frees() -> None:
    held = hold(SpoiledBars(until=500, bars=4), SpoiledBars(until=900, bars=2))
    held.on_repaired(repaired(*SYMBOLS, until=500))
    assert held.symbols == SYMBOLS
    held.on_repaired(repaired(*SYMBOLS, until=900))
    assert held.symbols == ()


def test_a_repair_of_before_does_not_free_who_waits_for_an_outage_that_goes_on() -> None:
    held = hold(SpoiledBars(until=500, bars=4), SpoiledBars(until=None, bars=2))
    held.on_repaired(repaired(*SYMBOLS, until=500))
    assert held.symbols == SYMBOLS
    held.on_spoiled(SpoiledBars(until=900, bars=7), SYMBOLS)
    held.on_repaired(repaired(*SYMBOLS, until=900))
    assert held.symbols == ()


def test_an_outage_of_which_nothing_is_repaired_frees_only_who_waits_for_its_end() -> None:
    assert hold(SpoiledBars(until=None, bars=2), ENDED).symbols == ()
    assert hold(SpoiledBars(until=500, bars=2), ENDED).symbols == SYMBOLS


def test_what_was_held_back_is_told_once_at_each_end_and_only_if_a_close_came() -> None:
    held = hold(SpoiledBars(until=500, bars=284))
    assert held.take_end() is None
    assert held.on_close(3) == SignalsWithheld(symbols=3, bars=284)
    assert held.on_close(2) is None
    held.on_repaired(repaired(*SYMBOLS, until=500, without="BBB"))
    assert held.take_end() == SignalsResumed(closes=2, signals=5, unrepaired=1)
    assert held.on_close(0) is None
    held.on_spoiled(SpoiledBars(until=900, bars=2), SYMBOLS)
    held.on_repaired(repaired(*SYMBOLS, until=900))
    assert held.take_end() is None
