"""The log as its reader sees it: bytes at the end of a real pipe or terminal."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradebot.clock import ManualClock
from tradebot.ops import logs
from tradebot.ops.event_lines import EventLines
from tradebot.ops.events.market import QuotesNotFetched
from tradebot.ops.events.process import ApiOpened, HeadNotKept
from tradebot.ops.redaction import Redactor

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = 'tok"en/with+odd'


class Reader:
    def __init__(self) -> None:
        self.out, self.fd = os.pipe()
        self.logs: logs.Logs | None = None

    def open(self, **settings: Any) -> None:
        self.logs = logs.configure_log(fd=self.fd, clock=ManualClock(1_700_000_000_123_456_000), **settings)

    def text(self) -> str:
        assert self.logs is not None
        self.logs.close_log()
        os.close(self.fd)
        self.fd = -1
        with os.fdopen(self.out, "rb") as file:
            self.out = -1
            return file.read().decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    if reader.logs:
        if reader.out >= 0:
            os.close(reader.out)
        reader.logs.close_log()
    if reader.fd >= 0:
        os.close(reader.fd)


def test_a_fact_is_one_line_of_json(reader: Reader) -> None:
    reader.open(run_id="r1", mode="paper")

    structlog.get_logger("feed").info("feed_connected", source="kite", symbols=2)

    assert reader.lines() == [
        {
            "timestamp": "2023-11-14T22:13:20.123456Z", "level": "info", "event": "feed_connected", "run_id": "r1",
            "mode": "paper", "logger": "feed", "source": "kite", "symbols": 2,
        }
    ]  # fmt: skip


def test_lines_below_the_level_are_not_written(reader: Reader) -> None:
    reader.open(level="warning")
    write = logs.log_listener("desk")

    write(ApiOpened(address="127.0.0.1:1", token_file="token"))
    write(HeadNotKept(reason="disk full"))

    assert [line["event"] for line in reader.lines()] == ["head_not_kept"]


def test_a_level_set_later_holds_for_the_log_and_for_readers_of_its_events(reader: Reader) -> None:
    reader.open(level="warning")
    assert reader.logs is not None
    write, lines = logs.log_listener("desk"), EventLines(threshold=reader.logs.threshold)
    debug, warned = QuotesNotFetched(reason="timeout"), HeadNotKept(reason="disk full")
    kept = list[str]()
    for level in ("warning", "debug", "error"):
        reader.logs.set_level(level)
        for event in (debug, warned):
            write(event)
            kept += [event.name] if lines.is_logged(event) else []

    assert kept == ["head_not_kept", "quotes_not_fetched", "head_not_kept"]
    assert [line["event"] for line in reader.lines()] == kept


def test_a_librarys_warning_obeys_the_level_that_was_set_later(reader: Reader) -> None:
    reader.open(level="error")
    assert reader.logs is not None
    library = logging.getLogger("asyncio")
    for level in ("error", "debug", "error"):
        reader.logs.set_level(level)
        library.info("never")
        library.warning("slow at %s", level)
        library.error("broken at %s", level)

    assert [line["message"] for line in reader.lines()] == [
        "broken at error", "slow at debug", "broken at debug", "broken at error",
    ]  # fmt: skip


def test_values_of_every_kind_become_json(reader: Reader) -> None:
    reader.open()

    structlog.get_logger("x").info(
        "kinds", tiny=Decimal("1E-8"), path=Path("/a"), array=np.array([1, 2]), error=ValueError("no"), raw=b"\x01",
        nothing=None, deep=[[[[[[1]]]]]], pair=(1, 2), group={"b", "a"}, yes=True,
    )  # fmt: skip

    line = reader.lines()[0]
    assert (line["tiny"], line["path"], line["error"], line["raw"]) == ("0.00000001", "/a", "ValueError: no", "01")
    assert (line["nothing"], line["pair"], line["group"], line["yes"]) == (None, [1, 2], ["a", "b"], True)
    assert line["deep"] == [[[["1 items"]]]]


def test_what_json_cannot_hold_is_written_as_text(reader: Reader) -> None:
    reader.open()
    log = structlog.get_logger("x")

    log.info("huge", value=2**80, price=Decimal("1.5"))
    log.info("half", text="\ud800")

    first, second = reader.lines()
    assert (first["event"], first["value"], first["price"]) == ("huge", str(2**80), "1.5")
    assert second["text"] == "\\ud800"


def test_money_is_written_exactly(reader: Reader) -> None:
    reader.open()

    structlog.get_logger("x").info(
        "filled", price=Decimal("1250.50"), charges={"total": Decimal("0.10")}, ratio=float("nan")
    )

    line = reader.lines()[0]
    assert (line["price"], line["charges"], line["ratio"]) == ("1250.50", {"total": "0.10"}, None)


def test_text_from_outside_stays_one_line_and_short(reader: Reader) -> None:
    reader.open()

    structlog.get_logger("x").warning(
        "order_rejected", reason='bad\n{"level":"info"}\x1b[31m\x9b', long="x" * 10_000, keys={"a\n": "b\n"}
    )

    text = reader.text()
    line = json.loads(text)
    assert text.count("\n") == 1
    assert line["reason"] == 'bad\\n{"level":"info"}\\x1b[31m\\x9b'
    assert line["keys"] == {"a\\n": "b\\n"}
    assert len(line["long"]) < 4200
    assert line["long"].endswith("[5904 cut]")


def test_an_exception_keeps_its_end(reader: Reader) -> None:
    reader.open()

    try:
        raise ValueError("start" + "x" * 50_000 + "end")
    except ValueError:
        structlog.get_logger("x").exception("broken")

    line = reader.lines()[0]
    assert line["level"] == "error"
    assert line["exception"].endswith("xend")
    assert len(line["exception"]) < 17_000


@pytest.mark.parametrize("format", ["json", "text"])
def test_no_secret_is_written(reader: Reader, format: str) -> None:
    reader.open(secrets=[SECRET, ""], format=format)
    log = structlog.get_logger("x")

    log.info("plain", a=SECRET, b={"c": [f"x{SECRET}y"]}, url="https://h/?x=tok%22en%2Fwith%2Bodd")
    log.info(
        "named", url="https://h/p?api_key=canary1&access_token=canary2", headers={"Authorization": "token k:canary3"}
    )
    log.info("nested", body='{"password": "canary4", "enctoken":"canary5"}', dsn="postgres://me:canary6@db/x")
    log.info("path", url="https://api.chat/bot123456:canary7canary7canary7/send")
    try:
        raise ValueError(f"login with {SECRET} access_token=canary8 failed")
    except ValueError:
        log.exception("broken")
    logging.getLogger("aiohttp").warning("sent api_secret=canary9")

    text = reader.text()
    assert SECRET not in text
    assert json.dumps(SECRET)[1:-1] not in text
    assert "canary" not in text
    assert text.count("********") >= 10


@pytest.mark.parametrize("before", range(logs.MAX_FIELD_CHARS - len(SECRET) - 2, logs.MAX_FIELD_CHARS + 1))
def test_no_part_of_a_secret_is_left_where_a_field_is_cut(reader: Reader, before: int) -> None:
    reader.open(secrets=[SECRET])
    structlog.get_logger("x").info("long", text="." * before + SECRET + "." * 100)
    text = reader.text()
    assert not [part for n in range(4, len(SECRET)) if (part := json.dumps(SECRET[:n])[1:-1]) in text]


def test_what_is_no_secret_is_left_alone() -> None:
    line = b'{"event":"subscribed","token":408065,"key":"x","symbol":"M&M","url":"wss://host/path"}\n'

    assert Redactor(["abc"])(line) == line


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=8, max_size=24), st.text(max_size=20))
def test_a_known_secret_is_found_wherever_it_stands(secret: str, around: str) -> None:
    if json.dumps(secret) in json.dumps(around) or secret in "********":
        return
    redact = Redactor([secret])

    line = redact(logs.render_json(None, "info", {"event": "x", "text": around + secret + around, "list": [secret]}))

    assert secret.encode() not in line


def test_messages_of_libraries_are_bridged(reader: Reader) -> None:
    reader.open()

    logging.getLogger("asyncio").info("not this")
    logging.getLogger("asyncio").warning("slow %s", "callback")

    line = reader.lines()[0]
    assert (line["event"], line["logger"], line["message"]) == ("library_warned", "asyncio", "slow callback")


def test_a_terminal_gets_readable_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    ours, theirs = pty.openpty()
    handle = logs.configure_log(fd=theirs, run_id="r1", clock=ManualClock(0))

    structlog.get_logger("feed").info("feed_connected", source="kite\x1b[2J", price=Decimal("1.50"))
    handle.close_log()

    text = os.read(ours, 4096).decode()
    os.close(ours)
    os.close(theirs)
    assert text.startswith("1970-01-01T00:00:00.000000Z [info     ] feed_connected")
    assert "price=1.50" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("matches", [True, False])
def test_priorities_are_written_only_to_the_system_journal(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, matches: bool
) -> None:
    status = os.fstat(reader.fd)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + (not matches)}")
    reader.open()

    structlog.get_logger("x").error("halt_raised")
    structlog.get_logger("x").info("trading_started")

    starts = [line[:3] for line in reader.text().splitlines()]
    assert starts == (["<3>", "<6>"] if matches else ['{"t', '{"t'])


def test_a_reader_that_stalls_never_blocks_and_losses_are_counted(reader: Reader) -> None:
    reader.open(capacity=50)
    log = structlog.get_logger("x")
    assert reader.logs is not None

    for n in range(3000):  # far more than a pipe and the queue hold
        log.info("tick", n=n, filler="y" * 100)
    dropped = reader.logs.dropped_count
    drained: list[str] = []
    drain = threading.Thread(target=lambda: drained.append(reader_text(reader)))
    drain.start()
    assert reader.logs.flush(5.0)
    log.info("last")
    reader.logs.close_log()
    os.close(reader.fd)
    reader.fd = -1
    drain.join()

    lines = [json.loads(line) for line in drained[0].splitlines()]
    told = sum(line["count"] for line in lines if line["event"] == "log_lines_dropped")
    ticks = [line["n"] for line in lines if line["event"] == "tick"]
    assert dropped > 1000
    assert told == dropped
    assert len(ticks) + dropped == 3000
    assert ticks == sorted(ticks)
    assert lines[-1]["event"] == "last"


def reader_text(reader: Reader) -> str:
    with os.fdopen(reader.out, "rb") as file:
        reader.out = -1
        return file.read().decode()


def test_a_reader_that_leaves_does_not_stop_the_daemon(reader: Reader) -> None:
    reader.open()
    os.close(reader.out)
    reader.out = -1
    assert reader.logs is not None

    structlog.get_logger("x").info("into the void")

    assert reader.logs.flush(2.0) is False
    structlog.get_logger("x").info("and again")
    assert reader.logs.dropped_count == 2


def test_the_last_line_of_a_process_is_written() -> None:
    code = (
        "import structlog; from tradebot.ops import logs; logs.configure_log(); "
        "structlog.get_logger('x').info('bye', n=1)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)

    assert json.loads(done.stdout)["event"] == "bye"


def test_closing_twice_is_harmless_and_undoes_the_bridge(reader: Reader) -> None:
    count = len(logging.getLogger().handlers)
    reader.open()
    assert reader.logs is not None

    reader.logs.close_log()
    reader.logs.close_log()

    assert len(logging.getLogger().handlers) == count
