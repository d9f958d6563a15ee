"""Paper with the venue kite, said in every way, before an exchange in Kite's place: no order ever reaches it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tradebot.__main__ import run_command_line

pytestmark = pytest.mark.timeout(60)
KEYS = "api_key = 'aaaa'\naccess_token = 'bbbb'\naccount_id = 'AB1234'\n"
LIVE, KITE = "[app]\nmode = 'live'\n", "[venue]\nname = 'kite'\n"
NO_PAPER = "paper trading on live quotes does not exist yet"


class Place(NamedTuple):
    """Where the exchange listens, what it printed, and the requests that it has had."""

    said: dict[str, Any]
    log: Path

    @property
    def rest(self) -> str:
        return str(self.said["kite"]["rest"])

    @property
    def requests(self) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [row for row in rows if row["kind"] == "request"]


class Way(NamedTuple):
    """One way to say paper: the config's text, the environment, more arguments of `run`, and why it is refused."""

    config: str
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()
    because: str = NO_PAPER


def ways(rest: str, ticker: str) -> dict[str, Way]:
    kite = f"[kite]\nrest = '{rest}'\nticker = '{ticker}'\n{KEYS}"
    environment = {
        "TRADEBOT_VENUE__NAME": "kite", "TRADEBOT_KITE__REST": rest, "TRADEBOT_KITE__TICKER": ticker,
        "TRADEBOT_KITE__API_KEY": "aaaa", "TRADEBOT_KITE__ACCESS_TOKEN": "bbbb",
    }  # fmt: skip
    return {
        "no mode line": Way(KITE + kite, {}),
        "the mode said": Way("[app]\nmode = 'paper'\n" + KITE + kite, {}),
        "a live config, --mode paper": Way(LIVE + KITE + kite, {}, ("--mode", "paper")),
        "a live config, paper by the environment": Way(LIVE + KITE + kite, {"TRADEBOT_APP__MODE": "paper"}),
        "the environment alone": Way("", environment),
    }


@pytest.fixture
def place(start: Any, tmp_path: Path) -> Place:
    log = tmp_path / "exchange.jsonl"
    exchange = start("--symbols", "INFY", "--log", str(log), "--at", "2026-11-23T09:15", verb="exchange")
    return Place(json.loads(exchange.process.stdout.readline()), log)


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a verb over a config and an environment; returns its exit code and what it said on stderr."""

    def give(verb: Sequence[str], way: Way) -> tuple[int, str]:
        path = tmp_path / "config.toml"
        path.write_text(way.config)
        path.chmod(0o600)
        with monkeypatch.context() as patch:
            for name, value in way.environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = run_command_line([*verb, "--config", str(path)])
        return code, capsys.readouterr().err

    return give


@pytest.mark.parametrize("way", ways("", ""))
def test_a_paper_run_at_kite_is_refused_and_reaches_nobody(
    way: str, place: Place, said: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    daemon = ("run", "--symbols", "INFY", "--state-dir", str(tmp_path / "state"), "--for", "5s", "--workers", "0")
    for scheme in ("https", "http"):
        given = ways(place.rest.replace("http", scheme), f"ws{scheme[4:]}://{place.rest.partition('//')[2]}")[way]
        code, text = said((*daemon, *given.arguments), given)
        assert (code, text.count(given.because if scheme == "https" else "must be encrypted") >= 1) == (78, True), text
        if not given.arguments:
            assert said(("config", "check"), given) == (code, text)
    assert place.requests == []
    assert not (tmp_path / "state").exists()


def test_an_exchange_file_that_names_another_host_is_refused_before_anything_is_asked(
    place: Place, said: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    for key, address in (
        ("ticker", "wss://ws.kite.trade"), ("rest", "https://api.kite.trade"), ("rest", "http://127.0.0.1.example:1"),
        ("rest", "http://127.0.0.1@example.com"), ("login", "https://kite.zerodha.com"),
    ):  # fmt: skip
        ready = tmp_path / "ready.json"
        ready.write_text(json.dumps(place.said | {"kite": place.said["kite"] | {key: address}}))
        for mode in (LIVE + KITE + "[kite]\n" + KEYS, ""):
            arguments = ("run", "--symbols", "INFY", "--state-dir", str(tmp_path / "state"), "--exchange", str(ready))
            code, text = said((*arguments, "--yes"), Way(mode, {}))
            assert (code, "is not of this machine" in text, text.count("\n")) == (78, True, 1), text
    assert place.requests == []
