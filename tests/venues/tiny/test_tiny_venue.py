"""A second venue of another protocol, in its own folder alone: settings, order route and mornings with faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.venues.tiny.tiny_adapter import TinyRoom
from tradebot.config import load_config, secret_keys
from tradebot.config.sections import add_venue_sections
from tradebot.daemon.venue.order_route import LiveRoute, SimulatedRoute
from tradebot.errors import ConfigError
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.seed_run import run_seed
from tradebot.venues import registry

ROOM = TinyRoom()


@pytest.fixture(autouse=True)
def listed() -> Iterator[None]:
    with registry.temporarily_registered(ROOM):
        yield
    add_venue_sections()


@pytest.mark.parametrize(("seed", "faults"), [(1, ""), (3, None), pytest.param(11, None, marks=pytest.mark.prove)])
def test_a_simulated_morning_trades_and_every_promise_is_kept(seed: int, faults: str | None) -> None:
    outcome = run_seed(seed, faults=faults, adapter=ROOM)
    assert (outcome.verdict, outcome.why) == ("ok", ())
    assert min(outcome.orders, outcome.fills) > 10
    assert bool(outcome.faults) is (faults is None)


def test_where_no_person_logs_in_there_is_no_day_with_logins() -> None:
    with pytest.raises(ConfigError, match=f"--logins: no person logs in at {ROOM.title}"):
        run_seed(1, kind=DayKind.LOGINS, adapter=ROOM)


def test_its_section_of_the_configuration_is_read_and_its_key_is_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[app]\nmode = 'live'\n[venue]\nname = 'tiny'\n[tiny]\naccount_id = 'T1'\n")
    monkeypatch.setenv("TRADEBOT_TINY__KEY", "a-key-of-tiny")
    config = load_config(path)
    route = LiveRoute.from_config(ROOM, config)
    assert (route.credentials["key"], ROOM.live_account_id(config.venue_section(ROOM))) == ("a-key-of-tiny", "T1")
    assert "tiny.key" in secret_keys()
    monkeypatch.delenv("TRADEBOT_TINY__KEY")
    with pytest.raises(ConfigError, match=r"tiny\.key: is missing"):
        load_config(path)


def test_a_venue_that_has_gone_is_named_no_more(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[tiny]\naccount_id = 'T1'\n")
    assert load_config(path).venue_section(ROOM).account_id == "T1"
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(registry._ADAPTERS, "tiny")
        with pytest.raises(ConfigError, match="tiny: unknown section"):
            load_config(path)


def test_what_a_running_exchange_printed_says_whose_protocol_it_speaks() -> None:
    printed = {"tiny": {"rest": "http://127.0.0.1:1", "stream": "ws://127.0.0.1:1", "key": "k"}, "clock": {}}
    assert registry.adapter_of_printed(printed) is ROOM
    assert SimulatedRoute.from_printed(ROOM, printed).credentials["key"] == "k"
    with pytest.raises(KeyError, match="no venue of other"):
        registry.adapter_of_printed({"other": {}})
    with pytest.raises(ConfigError, match="is not of this machine"):
        SimulatedRoute.from_printed(ROOM, printed | {"tiny": printed["tiny"] | {"stream": "ws://tiny.invalid"}})


def test_a_plan_without_what_a_protocol_lacks_strikes_as_it_would_have() -> None:
    def struck(text: str, *, without: set[str]) -> list[str]:
        plan = FaultPlan.parse(text, 7)
        plan.exclude_kinds(without)
        faults = (plan.draw_fault("orders.list") for _ in range(200))
        return [f"{fault.name}@{fault.occasion}" for fault in faults if fault is not None]

    whole = struck("shuffled-list~0.1, huge-row:orders.list~0.2", without=set())
    left = struck("shuffled-list~0.1, huge-row:orders.list~0.2", without={"huge-row"})
    assert left == [one for one in whole if one.startswith("shuffled-list")]
    assert 0 < len(left) < len(whole)
