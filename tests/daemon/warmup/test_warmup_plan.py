"""What a warm-up has at hand and what it asks for: nothing that the history holds, what is guarded first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.warmup.warmup_rig import BARS, MINUTE, SYMBOLS, Rig, clock_at, lost, truth
from tests.history.bars_by_hand import assert_same
from tradebot.errors import AccessDenied, LoginLost
from tradebot.history.history import open_history

WHOLE = dict.fromkeys(SYMBOLS, 3)


async def test_before_the_open_a_day_old_history_needs_no_request(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), WHOLE)
    plan = await rig.plan()
    assert ([s.symbol for s in plan.at_hand], plan.requests, rig.venue.asked) == (list(SYMBOLS), (), [])
    assert_same(plan.from_history["BBB"], truth("BBB").select_bars(slice(3 * 375 - BARS, 3 * 375)))
    assert rig.venue.quoted == 1


async def test_in_mid_day_the_gap_alone_is_asked_for_from_the_last_held_bar_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(11, 0, 20), WHOLE)
    plan = await rig.plan()
    found = await rig.fetch(plan)
    last = int(truth("AAA").starts[3 * 375 - 1])
    assert rig.venue.asked == [(symbol, last, rig.until) for symbol in SYMBOLS]
    complete = 3 * 375 + 105 + 1  # the bar of 11:00, in which the run began, is complete once it is asked for
    for symbol, series in found.items():
        assert series is not None
        assert len(series) == BARS
        assert complete - 1 <= int((truth(symbol).starts <= series.starts[-1]).sum()) <= complete


async def test_what_is_guarded_is_asked_for_first_and_the_rest_as_the_universe_names_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), {"BBB": 3})
    plan = await rig.plan(("DDD",))
    assert [request.instrument.symbol for request in plan.requests] == ["DDD", "AAA", "CCC"]
    await rig.fetch(plan)
    assert [symbol for symbol, *_ in rig.venue.asked] == ["DDD", "AAA", "CCC"]


async def test_a_split_overnight_makes_the_venue_tell_all(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), WHOLE, halved="CCC")
    plan = await rig.plan()
    assert (plan.doubted, [request.held for request in plan.requests]) == (("CCC",), [None])
    (doubt,) = rig.told.of("held_bars_doubted")
    assert "2." in doubt["reason"]
    assert_same((await rig.fetch(plan))["CCC"], truth("CCC").select_bars(slice(3 * 375 - BARS, 3 * 375)))
    assert rig.loader.repaired == {"CCC"}
    with open_history(tmp_path) as history:  # what is not trusted is left to a person, and nothing is mixed into it
        assert len(history.bar_starts("CCC", MINUTE)) == 3 * 375
        assert history.requested_spans(rig.universe.instrument_of("CCC"), MINUTE) == []


async def test_a_bar_that_the_venue_prices_otherwise_makes_it_tell_all(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(11), {"AAA": 3, "BBB": 3, "CCC": 3, "DDD": 3}, halved="AAA")
    rig.venue.prices = {"AAA": 0}  # no quote of today tells
    found = await rig.fetch(await rig.plan())
    assert [symbol for symbol, *_ in rig.venue.asked].count("AAA") == 2
    assert_same(found["AAA"], truth("AAA").select_bars(slice(3 * 375 + 105 - BARS, 3 * 375 + 105)))
    assert [event for event, _ in rig.told] == ["held_bars_doubted"]


async def test_what_the_venue_gave_is_held_by_the_next_start(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), {"AAA": 2, "BBB": 3})
    await rig.fetch(await rig.plan())
    assert len(rig.venue.asked) == 3
    again = Rig(tmp_path, clock_at(8, 40), {})
    plan = await again.plan()
    assert (plan.requests, len(plan.at_hand)) == ((), 4)


async def test_what_is_given_is_written_now_and_then_and_not_kept_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradebot.daemon.warmup.warmup_loader.GAPS_PER_WRITE", 1)
    rig = Rig(tmp_path, clock_at(8, 30), {"AAA": 2})
    held: list[int] = []

    def count(*_: object) -> None:
        with open_history(tmp_path) as history:
            held.append(len(history.list_series()))

    plan = await rig.plan()
    await rig.loader.fetch_planned(plan, until=rig.until, deliver=count)
    assert held[0] == 1
    assert held[-1] >= 2  # two requests are under way at once


async def test_a_run_whose_prices_are_invented_leaves_the_history_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), WHOLE, venue="exchange")
    plan = await rig.plan()
    assert (len(plan.requests), rig.venue.quoted) == (4, 0)
    await rig.fetch(plan)
    with open_history(tmp_path) as history:
        assert history.requested_spans(rig.universe.instrument_of("AAA"), MINUTE) == []


async def test_without_prices_of_today_held_bars_are_not_trusted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), WHOLE)
    rig.venue.quote_faults = lost(2)
    assert (await rig.plan()).requests == ()
    rig.venue.quote_faults = [LoginLost("token")] * 3
    plan = await rig.plan()
    assert [request.held for request in plan.requests] == [None] * 4
    assert rig.suspected == 3


async def test_a_history_that_cannot_be_read_is_told_and_the_venue_asked(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), WHOLE)
    (tmp_path / "history.sqlite3").write_bytes(b"no database" * 1000)
    assert len((await rig.plan()).requests) == 4
    assert [event for event, _ in rig.told] == ["history_not_read"]


async def test_a_request_that_fails_is_tried_again_after_the_others(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), {})
    rig.venue.faults = lost(1)
    found = await rig.fetch(await rig.plan())
    assert ([symbol for symbol, *_ in rig.venue.asked][-1], len(rig.venue.asked)) == ("AAA", 5)
    assert all(series is not None for series in found.values())


async def test_a_symbol_that_fails_again_and_again_starts_cold(tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), {"AAA": 3, "BBB": 3, "CCC": 3})
    rig.venue.faults = lost(3)
    assert await rig.fetch(await rig.plan()) == {"DDD": None}
    assert [event for event, _ in rig.told] == ["warmup_bars_not_read"]


@pytest.mark.parametrize("refused_at", [0, 1])
async def test_without_the_right_to_past_bars_the_rest_starts_cold_at_once(tmp_path: Path, refused_at: int) -> None:
    rig = Rig(tmp_path, clock_at(8, 30), {"AAA": 3})
    rig.venue.faults = [*lost(refused_at), *[AccessDenied("no permission")] * 2]  # two requests are under way
    found = await rig.fetch(await rig.plan())
    assert None in found.values()
    assert set(found) == {"BBB", "CCC", "DDD"}
    assert rig.told.names == ["warmup_denied"]
