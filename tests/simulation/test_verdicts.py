"""A simulation that cannot fail shows nothing: planted bugs are found, told and cut down to a few faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from tradebot.cli.simulate import simulate
from tradebot.daemon import input_recorder
from tradebot.domain.order import OrderEventType
from tradebot.errors import OutcomeUnknown
from tradebot.journal.writer import Journal
from tradebot.simulation import seed_batch
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.scenario import draw_scenario
from tradebot.simulation.seed_batch import OutcomeCounts, SimulatedDay, add_to_corpus, outcome_of_error, read_corpus
from tradebot.simulation.seed_run import SeedOutcome, run_seed
from tradebot.simulation.shrink import shrink_faults
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.venues.kite.broker import KiteBroker

RESETS = "accept-then-reset:orders.create@2-4"


def planted_resend(patch: pytest.MonkeyPatch) -> None:
    submit = KiteBroker.submit

    async def again(self: KiteBroker, request: Any) -> Any:
        try:
            return await submit(self, request)
        except OutcomeUnknown:
            return await submit(self, request)

    patch.setattr(KiteBroker, "submit", again)


def planted_haste(patch: pytest.MonkeyPatch) -> None:
    async def at_once(self: Journal, ticket: int | None = None) -> None:
        return None

    patch.setattr(Journal, "wait_durable", at_once)


def planted_forgetfulness(patch: pytest.MonkeyPatch) -> None:
    append = Journal.append

    def unwritten(self: Journal, kind: str, message: Any, *, at: int) -> int:
        if getattr(message, "type", None) is OrderEventType.EXECUTED:
            return self.row_numbers[0]
        return append(self, kind, message, at=at)

    patch.setattr(Journal, "append", unwritten)


def planted_generosity(patch: pytest.MonkeyPatch) -> None:
    def generous(limits: Limits, **parts: Any) -> Gate:
        wide = {"max_position_notional": Decimal(10**9), "max_gross_notional": Decimal(10**9)}
        return build_gate(replace(limits, **wide), **parts)

    patch.setattr(input_recorder, "build_gate", generous)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("plant", "faults", "promise"),
    [(planted_resend, RESETS, "I1"), (planted_haste, "", "I2"), (planted_forgetfulness, "", "I8")],
)
def test_a_planted_bug_breaks_the_promise_it_breaks(
    plant: Callable[[pytest.MonkeyPatch], None], faults: str, promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_seed(2, faults=faults).verdict == "ok"
    plant(monkeypatch)
    outcome = run_seed(2, faults=faults)
    assert outcome.verdict == "broken"
    assert any(why.startswith(f"{promise}:") for why in outcome.why)


TIGHT = next(
    seed for seed in range(1_000) if draw_scenario(seed).has_tight_limits and len(draw_scenario(seed).symbols) > 2
)


@pytest.mark.prove
def test_a_gate_with_other_limits_than_the_journal_names_is_found() -> None:
    sound = run_seed(TIGHT, faults="")
    assert sound.verdict == "ok", sound.why
    with pytest.MonkeyPatch.context() as patch:
        planted_generosity(patch)
        generous = run_seed(TIGHT, faults="")
    assert generous.verdict == "broken"
    assert any(why.startswith("I6:") and "max_gross_notional" in why for why in generous.why)


@pytest.mark.prove
def test_a_broken_seed_is_cut_down_to_the_fault_that_breaks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    planted_resend(monkeypatch)
    corpus = tmp_path / "corpus.txt"
    faults = f"{RESETS},slow-reply:orders.create@5,lost-frame:ticker.frame@9-12,duplicate-trades:trades@1"
    said = CliRunner().invoke(simulate, ["2", "--faults", faults, "-q", "--corpus", str(corpus)])

    line = json.loads(said.stdout.splitlines()[-1])
    assert said.exit_code == 1
    assert line["verdict"] == "broken"
    assert line["script"].count(",") == 0
    assert line["script"].startswith("accept-then-reset:orders.create@")
    assert read_corpus(corpus) == [SimulatedDay(2, faults)]
    broken = run_seed(2, faults=line["script"])
    for _ in range(2):
        add_to_corpus(corpus, broken)
        add_to_corpus(corpus, broken, faults)
    assert read_corpus(corpus) == [SimulatedDay(2, faults), SimulatedDay(2)], "a day stands there once"


def test_a_corpus_keeps_the_kinds_of_days_apart(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(
        "# why\n7 logins  # late\n7 logins token-replaced:trades@2,429:trades@1 # twice\n7\n8 swarm\n"
        "7 stops # alarm\n7 stops 429:orders.create@2\n"
    )
    days = [
        SimulatedDay(7, None, DayKind.LOGINS),
        SimulatedDay(7, "token-replaced:trades@2,429:trades@1", DayKind.LOGINS),
        SimulatedDay(7),
        SimulatedDay(8, "swarm"),
        SimulatedDay(7, None, DayKind.STOPS),
        SimulatedDay(7, "429:orders.create@2", DayKind.STOPS),
    ]
    assert read_corpus(corpus) == days
    fresh = tmp_path / "fresh.txt"
    for day in days:
        broken = outcome_of_error(day.seed, ValueError("no"))._replace(kind=day.kind)
        for _ in range(2):
            add_to_corpus(fresh, broken, day.faults)
    assert read_corpus(fresh) == days
    assert days[1].cli_arguments() == "7 --logins --faults 'token-replaced:trades@2,429:trades@1'"


@pytest.mark.parametrize(
    ("options", "logins", "stops"),
    [
        ([], [], []),
        (["--logins"], [4, 5, 6, 7, 8], []),
        (["--logins-every", "4"], [4, 8], []),
        (["--stops"], [], [4, 5, 6, 7, 8]),
        (["--stops-every", "4", "--logins-every", "2"], [6], [4, 8]),
    ],
)
def test_a_part_of_many_days_is_of_another_kind(
    options: list[str], logins: list[int], stops: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = list[SimulatedDay]()

    def noted(days: Any, **_: Any) -> Iterator[SeedOutcome]:
        played.extend(days)
        return iter(())

    monkeypatch.setattr(seed_batch, "run_days", noted)
    CliRunner().invoke(simulate, ["--seeds", "5", "--from", "4", *options])
    assert [day.seed for day in played] == [4, 5, 6, 7, 8]
    assert [day.seed for day in played if day.kind is DayKind.LOGINS] == logins
    assert [day.seed for day in played if day.kind is DayKind.STOPS] == stops


def test_one_day_with_logins_tells_them(tmp_path: Path) -> None:
    said = CliRunner().invoke(simulate, ["2", "--logins"])
    assert said.exit_code == 0
    assert json.loads(said.stdout)["trace"] == run_seed(2, kind=DayKind.LOGINS).trace
    assert "login_attempted" in said.stderr


def test_a_long_run_that_is_cut_short_tells_what_it_played(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: Any, **__: Any) -> Iterator[SeedOutcome]:
        yield SeedOutcome(seed=0, verdict="ok", trace="", orders=3, fills=3, faults={}, halted=None)
        raise KeyboardInterrupt

    monkeypatch.setattr(seed_batch, "run_days", cut)
    said = CliRunner().invoke(simulate, ["--seeds", "9"])
    assert json.loads(said.stdout.splitlines()[-1])["seeds"] == 1
    assert said.exit_code != 0


def test_one_line_of_json_ends_a_replay() -> None:
    said = CliRunner().invoke(simulate, ["5"])

    line = json.loads(said.stdout)
    assert said.exit_code == 0
    assert line.keys() >= {"seed", "verdict", "trace", "orders", "fills", "faults", "halted"}
    assert line["trace"] == run_seed(5).trace
    assert "daemon_started" in said.stderr


def test_kept_records_can_be_verified_by_themselves(tmp_path: Path) -> None:
    said = CliRunner().invoke(simulate, ["5", "-q", "--keep", str(tmp_path / "kept")])
    assert said.exit_code == 0
    assert (tmp_path / "kept" / "exchange.jsonl").is_file()
    assert (tmp_path / "kept" / "state-0" / "journal.sqlite3").is_file()


@pytest.mark.parametrize("args", [[], ["5", "--seeds", "3"], ["--for", "soon"], ["5", "--logins-every", "2"],
                                  ["5", "--stops-every", "2"], ["5", "--stops", "--logins"]])  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_a_sentence(args: list[str]) -> None:
    said = CliRunner().invoke(simulate, args)
    assert said.exit_code == 2
    assert "Error" in said.stderr


def test_shrinking_finds_the_few_words_that_matter() -> None:
    words = [f"w{n}" for n in range(40)]
    assert shrink_faults(words, lambda some: {"w3", "w29"} <= set(some)) == ["w3", "w29"]
    assert shrink_faults(words, lambda some: True) == []
    assert shrink_faults(words, lambda some: False) is None


def test_a_session_that_raises_counts_as_broken() -> None:
    tally = OutcomeCounts()
    tally.add_outcome(outcome_of_error(7, ValueError("no")))
    assert tally.broken[0].seed == 7
    assert tally.verdicts["broken"] == 1
