"""The operator's hands on a real daemon over real sockets: halts that outlive it, one flatten, a kill past it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER, PATIENT
from tests.stories.ledger import assert_agree
from tradebot.__main__ import run_command_line
from tradebot.clock import SECOND, WallClock
from tradebot.domain.instrument import Universe
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.limiter import Limiter, rate_windows
from tradebot.venues.venue import Accepted

pytestmark = pytest.mark.timeout(60)
SPEED = 240
SYMBOLS = "RELIANCE,TCS,INFY"
# PATIENT never closes: what it holds is there whenever the operator looks, however long his command takes.
Verb = Callable[..., tuple[int, str]]


@pytest.fixture
def tradebot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verb:
    """Run an operator's verb on the daemon's state directory; returns its exit code and all it said."""

    def give(verb: str, *args: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run_command_line([verb, "--state-dir", str(tmp_path / "state"), *args])
        said = capsys.readouterr()
        return code, said.out + said.err

    return give


@pytest.fixture
def market(start: Any, tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """Start an exchange of its own that outlives daemons; returns the arguments of `run` for it and a strategy."""

    def begin(strategy: str = "Eager") -> tuple[str, ...]:
        log, ready = tmp_path / "exchange.jsonl", tmp_path / "ready.json"
        exchange = start(
            "--symbols",
            f"{SYMBOLS},ITC",
            "--seed",
            "7",
            "--log",
            str(log),
            "--at",
            "2026-11-23T09:15",
            "--speed",
            str(SPEED),
            verb="exchange",
        )
        ready.write_text(exchange.process.stdout.readline())
        for name, text in (("Eager", EAGER), ("Patient", PATIENT)):
            (tmp_path / f"{name}.py").write_text(text)
        return (
            "--symbols", SYMBOLS, "--exchange", str(ready), "--workers", "0",
            "--strategy", f"{tmp_path / strategy}.py:Trader",
        )  # fmt: skip

    return begin


def journal(folder: Path, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    places = ", ".join("?" * len(kinds))
    with sqlite3.connect(f"file:{folder}/state/journal.sqlite3?mode=ro", uri=True) as db:
        found = db.execute(f"SELECT kind, body FROM rows WHERE kind IN ({places}) ORDER BY seq", kinds).fetchall()  # noqa: S608
    return [(kind, json.loads(body)) for kind, body in found]


def is_halted_entry(line: dict[str, Any]) -> bool:
    return line["event"] == "order_denied" and line["purpose"] == "entry" and "halted" in line["reason"]


def is_entry(line: dict[str, Any]) -> bool:
    return line["event"] == "order_submitted" and line["purpose"] == "entry"


def test_a_halt_stops_entries_survives_a_kill_and_ends_with_resume(
    start: Any, market: Any, tradebot: Verb, tmp_path: Path
) -> None:
    arguments = market()
    daemon = start(*arguments)
    daemon.until(is_entry)
    assert tradebot("halt", "lunch break") == (
        0, "halted (all): lunch break; it is on disk and stands until `tradebot resume`\n",
    )  # fmt: skip
    assert journal(tmp_path, "halt")[-1][1]["reason"] == "lunch break"
    daemon.until(is_halted_entry)
    daemon.kill()
    daemon = start(*arguments)
    assert "lunch break" in str(daemon.event("state_recovered")["halted"])
    daemon.until(is_halted_entry)
    code, said = tradebot("status")
    assert (code, "HALTED (halt all): lunch break" in said) == (0, True)
    told = (
        "runs before 1, 1 of them",
        "last bar 20",
        "free disk",
        "session open",
        "its log 8 MB",
        "login held since 20",
    )
    assert all(word in said for word in told), said
    assert tradebot("status", "--check") == (10, "all: lunch break\n")
    assert tradebot("resume")[0] == 0
    shown = json.loads(tradebot("status", "--json")[1])
    assert (shown["halts"], shown["check"]["code"], shown["log_lines_dropped"]) == ([], 0, 0)
    assert min(shown["uptime_s"], shown["disk_free_mb"]) > 0
    assert shown["store"]["trouble"] == ""
    money, login = shown["money"], shown["login"]
    assert money["whole_orders"] == money["day_orders"] > money["run_orders"], "the run before was on the same day"
    assert money["whole_fills"] == money["day_fills"] > money["run_fills"]
    assert (money["day_charges"], login["issued_at"]) == (money["whole_charges"], None)
    assert login["ends_at"] > login["held_since"]
    assert tradebot("status", "--check")[0] == 0
    daemon.until(is_entry)
    assert daemon.stop().code == 0
    is_barred = False
    for kind, body in journal(tmp_path, "order", "halt", "resume"):
        is_barred = kind == "halt" if kind != "order" else is_barred
        if kind == "order" and body["event"] == "intent":
            assert not (is_barred and body["request"]["purpose"] == "entry"), "an entry after the halt"
    assert_agree(tmp_path / "state/journal.sqlite3", tmp_path / "exchange.jsonl")


@asynccontextmanager
async def somebody_else(kite: dict[str, str]) -> AsyncIterator[KiteBroker]:
    keys = Credentials(api_key=kite["api_key"], access_token=kite["access_token"])
    broker = KiteBroker(
        rest=kite["rest"], credentials=keys, clock=WallClock(),
        limiter=Limiter(rate_windows(("order", 9, 1.0, 0)), WallClock()),
    )  # fmt: skip
    try:
        yield broker
    finally:
        await broker.close()


async def buy(kite: dict[str, str]) -> None:
    async with somebody_else(kite) as broker:
        order = OrderRequest(
            order_id="hand", symbol="TCS", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET, quantity=Decimal(1)
        )
        assert isinstance(await broker.submit(order), Accepted)


async def rest(kite: dict[str, str], count: int) -> list[str]:
    """Place limit orders far below the market."""
    async with somebody_else(kite) as broker:
        (itc,) = await broker.fetch_instruments(["ITC"])
        quotes = await broker.fetch_quotes(Universe([itc]))
        price = itc.round_price(itc.price_from_units(int(quotes.last[0])) * Decimal("0.93"), up=False)
        ids = []
        for number in range(count):
            order = OrderRequest(
                order_id=f"hand{number}", symbol="ITC", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT,
                quantity=Decimal(1), price=price,
            )  # fmt: skip
            reply = await broker.submit(order)
            assert isinstance(reply, Accepted), reply
            ids.append(reply.venue_order_id)
        await WallClock().sleep(1.0)  # the venue counts these and the cancels that follow in one second
        return ids


def test_kill_takes_all_orders_back_past_a_hung_daemon_and_no_daemon_trades_until_resume(
    start: Any, market: Any, tradebot: Verb, tmp_path: Path
) -> None:
    arguments = market()
    ready = tmp_path / "ready.json"
    daemon = start(*arguments)
    daemon.event("trading_started")
    daemon.process.send_signal(signal.SIGSTOP)
    resting = asyncio.run(rest(json.loads(ready.read_text())["kite"], 20))
    code, said = tradebot("kill", "fat finger", "--exchange", str(ready))
    assert (code, "clean: no order works at the venue; 20 worked before" in said) == (0, True), said
    rows = [json.loads(line) for line in (tmp_path / "exchange.jsonl").read_text().splitlines()]
    cancels = [row for row in rows if row["kind"] == "request" and row["method"] == "DELETE"]
    done = [row["order_id"] for row in cancels if row["status"] == 200]
    assert sorted(done) == sorted(resting)
    assert cancels[-1]["at"] - cancels[0]["at"] < 2 * SPEED * SECOND  # two seconds of ours

    daemon.process.send_signal(signal.SIGCONT)
    assert "fat finger" in daemon.event("halt_raised")["reason"]
    daemon.kill()
    daemon = start(*arguments)
    assert "fat finger" in daemon.event("state_recovered")["halted"]
    daemon.until(lambda line: line["event"] == "order_denied" and "fat finger" in line["reason"])
    sent = [row for row in journal(tmp_path, "order") if row[1]["event"] == "sending"]
    assert tradebot("flatten", "--yes")[0] == 2  # not even an exit leaves
    code, said = tradebot("resume")
    assert (code, "the HALT file is gone; it said: fat finger" in said) == (0, True)
    assert not (tmp_path / "state/HALT").exists()
    daemon.until(is_entry)
    assert daemon.stop().code == 0
    assert len([row for row in journal(tmp_path, "order") if row[1]["event"] == "sending"]) > len(sent)


def test_kill_without_a_daemon_and_with_its_own_credentials_says_what_it_cannot_cancel(
    start: Any, market: Any, tradebot: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market()
    (tmp_path / "state").mkdir()
    kite = json.loads((tmp_path / "ready.json").read_text())["kite"]
    monkeypatch.setenv("TRADEBOT_KILL__API_KEY", kite["api_key"])
    monkeypatch.setenv("TRADEBOT_KILL__ACCESS_TOKEN", "stale")
    monkeypatch.setenv("TRADEBOT_KILL__REST", kite["rest"])
    code, said = tradebot("kill")
    assert (code, "nothing was cancelled" in said) == (77, True)
    assert (tmp_path / "state/HALT").exists()
    monkeypatch.setenv("TRADEBOT_KILL__ACCESS_TOKEN", kite["access_token"])
    monkeypatch.setenv("TRADEBOT_KILL__REST", "http://127.0.0.1:9")
    code, said = tradebot("kill", "--within", "1")
    assert (code, "NOT CLEAN" in said) == (75, True)
    (tmp_path / "state/HALT").unlink()
    os.rmdir(tmp_path / "state")
    monkeypatch.setenv("TRADEBOT_KILL__REST", kite["rest"])
    code, said = tradebot("kill")  # nowhere to write HALT: cancels all the same, and says so
    assert (code, "NOT HALTED" in said, "clean: no order works" in said) == (75, True, True)


def closed(daemon: Any, tradebot: Verb) -> None:
    """Read on until no position is open."""
    while json.loads(tradebot("status", "--json")[1])["positions"]:
        daemon.until(lambda line: line["event"] == "order_filled" and line["side"] == "SELL")


def test_flatten_acts_once_for_each_id_and_is_finished_by_the_next_process(
    start: Any, market: Any, tradebot: Verb, tmp_path: Path
) -> None:
    arguments = market("Patient")
    daemon = start(*arguments)
    daemon.until(lambda line: line["event"] == "order_filled")
    code, said = tradebot("flatten", "--yes", "--id", "drill-1")
    assert (code, "closing: " in said) == (0, True), said
    code, said = tradebot("flatten", "--yes", "--id", "drill-1")
    assert (code, "given before" in said) == (0, True), said
    closed(daemon, tradebot)
    rows = journal(tmp_path, "flatten", "order")
    begun = next(i for i, (kind, _) in enumerate(rows) if kind == "flatten")
    assert [kind for kind, _ in rows].count("flatten") == 1
    intents = [body["request"] for _, body in rows[begun + 1 :] if body["event"] == "intent"]
    symbols = [request["symbol"] for request in intents]
    assert {request["purpose"] for request in intents} == {"flatten"}
    assert len(symbols) == len(set(symbols)), "a position was closed by two orders"

    daemon.kill()
    daemon = start(*arguments)
    daemon.event("trading_started")
    code, said = tradebot("status")
    assert (code, "HALTED (flatten all)" in said) == (0, True), said
    assert "given before" in tradebot("flatten", "--yes", "--id", "drill-1")[1]
    asyncio.run(buy(json.loads((tmp_path / "ready.json").read_text())["kite"]))  # by another hand in the same account
    daemon.until(lambda line: line["event"] == "order_filled" and line["order_id"].startswith("EXT-"))
    (theirs,) = json.loads(tradebot("status", "--json")[1])["positions"]
    assert (theirs["symbol"], theirs["owner"], theirs["quantity"]) == ("TCS", "external", "1")
    assert tradebot("resume")[0] == 0
    daemon.until(is_entry)
    assert daemon.stop().code == 0
    flattened = [body["request"] for _, body in journal(tmp_path, "order") if body["event"] == "intent"]
    assert sum(request["purpose"] == "flatten" for request in flattened) == len(symbols), "what is theirs was sold"


@pytest.mark.parametrize("verb", [("status",), ("halt",), ("resume",), ("flatten", "--yes")])
def test_without_a_daemon_a_verb_says_so_in_one_sentence(verb: tuple[str, ...], tradebot: Verb) -> None:
    code, said = tradebot(*verb)
    assert (code, said.count("\n"), "no daemon runs" in said) == (69, 1, True)


def test_flatten_is_never_a_slip_of_a_script(tradebot: Verb) -> None:
    code, said = tradebot("flatten")
    assert (code, "--yes" in said) == (2, True)
