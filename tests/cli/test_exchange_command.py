"""The verb `exchange` as a person starts it: one line of addresses, a stop by signal, sentences for mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from threading import Event

import pytest

from tests.stories.kite_person import KEY_OPTIONS, Person
from tradebot.__main__ import run_command_line
from tradebot.clock import IST, parse_iso
from tradebot.exchange.event_log import read_event_log

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "tradebot", "exchange", "--at", "2026-11-23T10:00", "--speed", "60"]
PAUSE, PAUSE_S = Event(), 0.02  # between two looks into a log


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *options], cwd=REPOSITORY, env=dict(os.environ), stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_addresses_serves_and_stops_at_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "exchange.jsonl"
    with start("--symbols", "TCS,INFY", "--cash", "75000.50", "--log", str(log)) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            with urllib.request.urlopen(said["kite"]["rest"] + "/clock") as answer:
                clock = json.load(answer)
            process.send_signal(number)
            rest, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, rest) == (0, "")
    assert said["kite"]["ticker"].startswith("ws://127.0.0.1:")
    assert parse_iso("2026-11-23T10:00", IST) <= said["clock"]["market"] < clock["market_ns"]
    assert clock["speed"] == said["clock"]["speed"] == 60
    kinds = {row["kind"]: row for row in read_event_log(log)}
    assert kinds["session"]["cash"] == "75000.50"
    assert kinds["end"]["reason"] == "stopped"


def test_it_stops_by_itself_and_a_resumed_run_continues_the_account(tmp_path: Path) -> None:
    log = tmp_path / "exchange.jsonl"
    for more in ([], ["--resume"]):
        with start("--symbols", "TCS", "--for", "50ms", "--log", str(log), *more) as process:
            process.communicate(timeout=20)
        assert process.returncode == 0
    assert [row["resumed"] for row in read_event_log(log) if row["kind"] == "session"] == [False, True]


def test_with_given_keys_a_login_is_needed_and_holds_over_a_restart_of_the_same_day(tmp_path: Path) -> None:
    log, token = tmp_path / "exchange.jsonl", ""
    for more in ([], ["--resume", "--at", "2026-11-23T11:00"], ["--resume", "--at", "2026-11-25T08:00"]):
        with start("--symbols", "TCS", "--log", str(log), *KEY_OPTIONS, *more) as process:
            try:
                assert process.stdout is not None
                said = json.loads(process.stdout.readline())["kite"]
                owner = Person(said["rest"])
                before, owner.token = owner.ask("GET", "/user/profile"), token
                after = owner.ask("GET", "/user/profile")
                token = token or owner.log_in()
            finally:
                process.kill()
        assert (said["api_key"], said["access_token"]) == ("rehearsal1", "")
        assert before["error_type"] == "TokenException"
        assert after["status"] == ("success" if "2026-11-23T11:00" in more else "error")
    assert token not in log.read_text()


def test_the_options_of_the_app_reach_the_server(tmp_path: Path) -> None:
    redirect = ["--redirect-url", "http://127.0.0.1:9/kite"]
    plan = ["--plan", "personal", "--demat-consent", "empty", "--log", str(tmp_path / "exchange.jsonl")]
    with start("--symbols", "TCS", *KEY_OPTIONS, *redirect, *plan) as process:
        try:
            assert process.stdout is not None
            owner = Person(json.loads(process.stdout.readline())["kite"]["rest"])
            owner.log_in()
            assert owner.data("/user/profile")["meta"] == {"demat_consent": "empty"}
            assert owner.ask("GET", "/quote/ltp?i=NSE:TCS")["error_type"] == "PermissionException"
        finally:
            process.kill()


@pytest.mark.timeout(60)
def test_without_consent_shares_are_sold_until_they_are_delivered(tmp_path: Path) -> None:
    told, log = [], tmp_path / "exchange.jsonl"
    deal = {"exchange": "NSE", "tradingsymbol": "TCS", "order_type": "MARKET", "product": "CNC", "validity": "DAY",
            "market_protection": "-1", "quantity": "1"}  # fmt: skip
    options = ("--symbols", "TCS", "--log", str(log), *KEY_OPTIONS, "--demat-consent", "empty")
    for day, sides in (("2026-11-20", ("BUY", "BUY")), ("2026-11-23", ("SELL",)), ("2026-11-25", ("SELL",))):
        resume = ("--resume",) if told else ()
        with start(*options, "--at", f"{day}T10:00", *resume) as process:
            try:
                assert process.stdout is not None
                owner = Person(json.loads(process.stdout.readline())["kite"]["rest"])
                owner.log_in()
                for side in sides:
                    answer = owner.ask("POST", "/orders/regular", **deal, transaction_type=side)
                    told.append(answer.get("message", answer["status"]))
                while sum(row["kind"] == "fill" for row in read_event_log(log)) < min(len(told), 3):
                    PAUSE.wait(PAUSE_S)  # the fill comes after the answer
            finally:
                process.kill()
    assert told == ["success", "success", "success", "1 quantity needs authorisation at depository."]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("desk", "left"), [(("--risk-desk",), 0), ((), 1)])
def test_with_a_risk_desk_an_intraday_position_is_closed_before_the_closing_auction(
    desk: tuple[str, ...], left: int, tmp_path: Path
) -> None:
    log = tmp_path / "exchange.jsonl"
    deal = {"exchange": "NSE", "tradingsymbol": "TCS", "order_type": "MARKET", "product": "MIS", "validity": "DAY",
            "market_protection": "-1", "quantity": "1", "transaction_type": "BUY"}  # fmt: skip
    options = ("--symbols", "TCS", "--log", str(log), *KEY_OPTIONS, "--at", "2026-11-23T15:11", "--speed", "100")
    with start(*options, *desk) as process:
        try:
            assert process.stdout is not None
            owner = Person(json.loads(process.stdout.readline())["kite"]["rest"])
            owner.log_in()
            assert owner.ask("POST", "/orders/regular", **deal)["status"] == "success"
            while not any(row["kind"] == "end" for row in read_event_log(log)):
                PAUSE.wait(PAUSE_S)  # continuous trading ends at 15:15, some seconds later
            (position,) = owner.data("/portfolio/positions")["net"]
        finally:
            process.kill()
    assert position["quantity"] == left
    hands = [
        row["ticket"]["hand"] for row in read_event_log(log) if row["kind"] == "order" and row["status"] == "COMPLETE"
    ]
    assert hands == ["api", "broker"][: 2 - left]


def test_prices_end_before_the_session_does_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "exchange.jsonl"
    options = ["--symbols", "TCS", "--every-second", "--at", "2026-11-23T09:10", "--until", "2026-11-23T09:16"]
    command = [sys.executable, "-m", "tradebot", "exchange", *options, "--speed", "3600", "--log", str(log)]
    done = subprocess.run([*command, "--for", "1s"], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    started = json.loads(done.stdout)["clock"]["market"]
    assert started >= parse_iso("2026-11-23T09:10", IST)
    session, prices, end = read_event_log(log)
    assert session["opens_at"] == parse_iso("2026-11-23T09:15", IST)
    assert (session["closes_at"], end["reason"]) == (parse_iso("2026-11-23T09:16", IST), "finished")
    assert (prices["kind"], prices["closes_at"], prices["every_step"]) == ("prices", session["closes_at"], True)


def test_recorded_ticks_are_served_from_a_folder(tmp_path: Path) -> None:
    rows = [f"2021-06-11 09:15:{second:02d},{3000 + second}.0,{100 * second}" for second in range(10)]
    (tmp_path / "TCS.csv").write_text("\n".join(["timestamp,ltp,volume", *rows]) + "\n")
    log = tmp_path / "log" / "exchange.jsonl"
    options = ["exchange", "--prices", "recorded", "--path", str(tmp_path), "--for", "50ms", "--log", str(log)]
    subprocess.run([sys.executable, "-m", "tradebot", *options], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    (session,) = (row for row in read_event_log(log) if row["kind"] == "session")
    assert (session["prices"], session["instruments"]) == ("RecordedTicks", 1)
    assert session["opens_at"] == parse_iso("2021-06-11T09:15", IST)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--at", "2026-11-22T10:00"], "the market is closed on 2026-11-22; the next trading day is 2026-11-23"),
        (["--prices", "recorded"], "--prices recorded needs --path"),
        (["--resume"], "--resume needs the --log of an earlier run"),
        (["--cash", "much"], "'much' is not an amount of rupees"),
        (["--for", "soon"], "should be a duration such as 90s"),
        (["--at", "noon"], "'noon' is not a time such as"),
        (["--until", "dusk"], "Invalid value for --until: 'dusk' is not a time such as"),
        (["--at", "2026-11-23T10:00", "--until", "2026-11-23T10:00"], "--until must be a whole second after --at"),
        (["--at", "2026-11-23T10:00", "--until", "2026-11-23T17:00"], "inside the session of 2026-11-23"),
        (["--api-key", "rehearsal1"], "--api-key and --api-secret belong together"),
        (["--api-secret", "rehearsal1"], "--api-key and --api-secret belong together"),
        (["--api-key", "short", "--api-secret", "long enough"], "--api-key should have 8 to 64 printable characters"),
        (["--api-key", "has:colon", "--api-secret", "longenough"], "no space and no colon"),
        (["--api-key", "longenough", "--api-secret", "has a space"], "--api-secret should have 8 to 128 printable"),
        (["--redirect-url", "http://example.com/kite"], "should be an http address of this machine"),
        (["--redirect-url", "ws://127.0.0.1/kite"], "should be an http address of this machine"),
        (["--redirect-url", "http://127.0.0.1/a\r\nSet-Cookie: b"], "should be an http address of this machine"),
        (["--redirect-url", "http://me@127.0.0.1/kite"], "should be an http address of this machine"),
        (["--plan", "gold"], "'gold' is not one of 'connect', 'personal'"),
        (["--demat-consent", "yes"], "'yes' is not one of 'empty', 'consent', 'physical'"),
    ],
)
def test_a_mistake_is_one_sentence(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["exchange", *options]) != 0
    assert sentence in capsys.readouterr().err


def test_a_log_is_not_mixed_into_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "old.jsonl"
    log.write_text('{"kind":"end"}\n')
    assert run_command_line(["exchange", "--log", str(log)]) == 78
    assert "add --resume" in capsys.readouterr().err
