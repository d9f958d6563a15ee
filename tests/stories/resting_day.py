"""A live run rehearsed on prices that the test wrote down, so that a stop is reached at a time that is known."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.stories.ledger import assert_agree
from tests.stories.live_rehearsal import Rehearsal
from tests.stories.real_process import Daemon
from tradebot.checker.promises import are_kept, judge_records
from tradebot.clock import IST, SECOND, WallClock, format_iso, parse_iso
from tradebot.ops.events.desk import DifferenceFound, HaltRaised, IncidentRaised, PositionAdopted

SPEED = 120  # market seconds in one of ours
SHARES = Decimal(10)
# Buys ten shares at a close of exactly 1000, until it has held some.
HOLDER = """
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Strategy


class Trader(Strategy):
    has_held = False

    def decide(self, bar, now, position):
        self.has_held = self.has_held or not position.is_flat
        if not self.has_held and bar.close == 1000:
            return Intent(action=Action.ENTER_LONG, quantity=10, {levels})
"""
Prices = Sequence[tuple[str, float]]  # (HH:MM, price) in order: each holds until the next one, the last to the end
# What is never told while a stop at the venue does what it is for.
DESK_ALARMS = (HaltRaised, IncidentRaised, DifferenceFound, PositionAdopted)
ALARMS = (*(event.name for event in DESK_ALARMS), "external_order_seen")


class RestingDay(Rehearsal):
    """A rehearsal whose exchange replays `prices` (symbol -> its prices) of `day` from the time `opens` on.

    `port` is where the daemon looks for the exchange: that of a line between them, None without one.
    """

    def __init__(
        self, start: Any, folder: Path, prices: Mapping[str, Prices], *, levels: str, day: str = "2026-11-25",
        settings: str = "",
    ) -> None:  # fmt: skip
        self._day, self._settings = day, settings
        self._opened_mono = self._opened_at = 0
        super().__init__(start, folder, trader=HOLDER.format(levels=levels), symbols=",".join(prices))
        (folder / "prices").mkdir()
        for symbol, path in prices.items():
            (folder / f"prices/{symbol}.csv").write_text(_ticks(day, path))

    def write_config(self, mode: str) -> None:
        super().write_config(mode)
        text = self.config.read_text().replace("warmup_bars = 20", "warmup_bars = 0")  # the record has no past
        self.config.write_text(text + self._settings)

    def connect_by(self, port: int) -> None:
        """Let the daemon reach the exchange by another port, that of a line between them."""
        self.config.write_text(self.config.read_text().replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{port}"))

    def open_at(self, clock: str, *, faults: str = "") -> None:
        """Open the exchange at a time of the day, HH:MM; it misbehaves as `faults` says."""
        record = ("--prices", "recorded", "--path", str(self.folder / "prices"))
        record += ("--faults", faults) if faults else ()
        self.open_exchange(f"{self._day}T{clock}", speed=SPEED, options=record)
        self._opened_mono, self._opened_at = WallClock().monotonic_ns(), self.at(clock)

    def hold_with_stop(self, symbols: int = 1) -> Daemon:
        """Start the daemon, log in, and wait until it knows that the stop of each symbol rests at the exchange."""
        daemon = self.run_logged_in()
        waiting: set[str] = set()  # stops that were sent
        while symbols:
            line = daemon.until(lambda line: line["event"] in ("order_submitted", "order_acked"))
            if line.get("purpose") == "resting_stop":
                waiting.add(line["order_id"])
            elif line["order_id"] in waiting:
                symbols -= 1
        looks = (self.status()["resting_stops"] for _ in range(20))  # the answer to an order is no word of the exchange
        assert any(all(row["resting"] == row["quantity"] for row in rows) for rows in looks), "no stop rests"
        return daemon

    def at(self, clock: str) -> int:
        """Return a time of the day, HH:MM, in market ns."""
        return parse_iso(f"{self._day}T{clock}", IST)

    def wait_until(self, clock: str) -> None:
        """Wait until a time of the market, HH:MM, or a little longer."""
        due = self._opened_mono + (self.at(clock) - self._opened_at) // SPEED
        threading.Event().wait(max(due - WallClock().monotonic_ns(), 0) / SECOND)

    def await_log(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read the exchange's log from its beginning until a line matches."""
        with subprocess.Popen(["tail", "-n", "+1", "-F", str(self.log)], stdout=subprocess.PIPE, text=True) as tail:
            assert tail.stdout is not None
            try:
                return next(line for text in tail.stdout if matches(line := json.loads(text)))
            finally:
                tail.kill()

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of one kind that the exchange has logged so far."""
        return [line for text in self.log.read_text().splitlines() if (line := json.loads(text))["kind"] == kind]

    def sold(self) -> dict[str, Decimal]:
        """Return symbol -> shares that the exchange says were sold."""
        found: dict[str, Decimal] = {}
        for fill in self.logged("fill"):
            if fill["side"] == "SELL":
                found[fill["symbol"]] = found.get(fill["symbol"], Decimal(0)) + Decimal(fill["quantity"])
        return found

    def stops_sent(self) -> list[str]:
        """Return the tags of the stop orders that the exchange was asked to take."""
        return [one["tag"] for one in self.requests("POST") if "trigger_price" in one["params"]]

    def judge(self) -> None:
        """Close the exchange; check its log against the journal, the promises, and that every run replays as it was."""
        self.close_exchange()
        assert_agree(self.journal, self.log)
        verdicts = judge_records(self.journal, against=self.log)
        assert are_kept(verdicts), verdicts
        again = [sys.executable, "-m", "tradebot", "replay", str(self.folder / "state"), "--all"]
        done = subprocess.run(again, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def alarms(daemon: Daemon) -> list[dict[str, Any]]:
    """Return the lines of a daemon that tell of a halt, or of an act in the account that is not the daemon's."""
    return [line for line in daemon.lines if line["event"] in ALARMS]


def _ticks(day: str, path: Prices) -> str:
    rows, volume = ["timestamp,ltp,volume"], 1_000
    ends = [clock for clock, _ in path[1:]] + ["15:31"]
    for (clock, price), end in zip(path, ends, strict=True):
        for at in range(parse_iso(f"{day}T{clock}", IST), parse_iso(f"{day}T{end}", IST), SECOND):
            volume += 100
            rows.append(f"{format_iso(at, IST)[:19].replace('T', ' ')},{price},{volume}")
    return "\n".join(rows) + "\n"
