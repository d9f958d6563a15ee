"""Days on which the stops of positions rest at the venue: cancelled, refused, lost, triggered, while daemons die.

No promise breaks, nothing is offered twice, and shares without a stop are told within three seconds and a tick.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tradebot.checker.cover_promises import describe_delays
from tradebot.cli.simulate import simulate
from tradebot.exchange.event_log import read_event_log
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.scenario import Scenario, draw_scenario
from tradebot.simulation.seed_batch import MAX_HALTED_SHARE, OutcomeCounts, SimulatedDay, run_days
from tradebot.simulation.seed_run import run_seed
from tradebot.simulation.stop_day import STOP_FAULTS
from tradebot.trading.desk.rules.resting_stops import RestingStops

SEEDS, MORE_SEEDS = range(1, 9), range(9, 109)
ALARM_WITHIN_NS = 3_250_000_000  # three seconds, and some ticks


def judged(seeds: range) -> OutcomeCounts:
    tally = OutcomeCounts()
    for outcome in run_days((SimulatedDay(seed, None, DayKind.STOPS) for seed in seeds), workers=2):
        assert outcome.kind is DayKind.STOPS
        tally.add_outcome(outcome)
    told = "\n".join(f"tradebot simulate {o.seed} --stops: {'; '.join(o.why)}" for o in tally.broken)
    assert not tally.broken, f"{len(tally.broken)} days broke\n{told}"
    assert tally.halted_share <= MAX_HALTED_SHARE
    late = [one for one in tally.covers if one.delay_ns > ALARM_WITHIN_NS and not one.reason]
    assert not late, f"no alarm was raised: {late[:3]}"
    return tally


@pytest.mark.timeout(300)
def test_every_promise_is_kept_on_days_of_stops() -> None:
    tally = judged(SEEDS)
    assert len(tally.covers) > 2 * len(SEEDS)
    assert any(row["what"].startswith("stops that came to rest") for row in tally.table_rows())


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_every_promise_is_kept_on_a_hundred_days_of_stops() -> None:
    tally = judged(MORE_SEEDS)
    assert len(tally.covers) > 4 * len(MORE_SEEDS)
    assert tally.faults.keys() >= {"stop-cancelled", "accepted-then-rejected", "owner-cancels", "operator-kill-9"}


def test_a_calm_day_of_stops_has_them_placed_moved_and_triggered(tmp_path: Path) -> None:
    outcome = run_seed(9, kind=DayKind.STOPS, faults="", folder=tmp_path)
    assert outcome.verdict == "ok", outcome.why
    log = list(read_event_log(tmp_path / "exchange.jsonl"))
    stops = [line for line in log if line["kind"] == "order" and line["ticket"]["kind"] in ("SL", "SL-M")]
    assert any(line["status"] == "TRIGGER PENDING" for line in stops)
    assert any(line["triggered"] and line["status"] == "COMPLETE" for line in stops)
    assert any(line["kind"] == "request" and line["method"] == "PUT" for line in log)
    assert outcome.as_json_object()["kind"] == "stops"


def test_a_desk_that_raises_no_alarm_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = "definite-reject:orders.create@2-60"
    assert run_seed(4, kind=DayKind.STOPS, faults=faults).verdict != "broken"
    monkeypatch.setattr(RestingStops, "_keep_time", lambda *_, **__: iter(()))
    outcome = run_seed(4, kind=DayKind.STOPS, faults=faults)
    assert any(why.startswith("I35:") for why in outcome.why)


def test_the_same_seed_of_stops_is_the_same_day_again_and_another_than_without() -> None:
    first, other, again = (run_seed(3, kind=kind) for kind in (DayKind.STOPS, DayKind.PLAIN, DayKind.STOPS))
    assert first == again
    assert first.trace != other.trace
    assert "kind" not in other.as_json_object()


def of_stops(seed: int) -> Scenario:
    return draw_scenario(seed, DayKind.STOPS)


def test_days_of_stops_are_the_same_days_with_more_in_them() -> None:
    pairs = [(draw_scenario(seed), of_stops(seed)) for seed in range(1_000)]
    kept = ("seed", "symbols", "order_kind", "notional", "entries", "operator_actions", "holdings", "speed")
    assert all(getattr(plain, name) == getattr(more, name) for plain, more in pairs for name in kept)
    assert all(more.faulty_s > plain.faulty_s + 5 for plain, more in pairs)
    drawn = [more.stops for _, more in pairs if more.stops is not None]
    assert len(drawn) == len(pairs)
    assert 0.4 < sum(len(more.kills) > len(plain.kills) for plain, more in pairs) / len(pairs) < 0.6
    assert 0.1 < sum(bool(more.night) for _, more in pairs) / len(pairs) < 0.25
    assert 0.2 < sum(stops.order_limits is not None for stops in drawn) / len(drawn) < 0.4
    assert {stops.on_refusal for stops in drawn} == {"hold", "exit"}
    assert all(any(word in stops.faults for stops in drawn) for word in STOP_FAULTS)


def test_each_fault_of_stops_is_one_of_the_catalogue() -> None:
    plan = FaultPlan.parse(",".join(f"{word}~{high}" for word, (_, high) in STOP_FAULTS.items()), 1)
    assert len(plan.rules) == len(STOP_FAULTS)


def test_one_day_of_stops_is_told_and_the_delays_are_put_in_words() -> None:
    said = CliRunner().invoke(simulate, ["9", "--stops", "--faults", ""])
    assert said.exit_code == 0
    assert "purpose=resting_stop" in said.stderr
    delays = [n * 1_000_000 for n in range(1, 201)]
    assert describe_delays(delays) == "p50 101 ms, p99 199 ms, max 200 ms"
