"""A warm process that forks lives of a small daemon, kills each where it is told to, and lets the checker judge.

Reads one JSON job a line: `{"steps": [...], "kills": [n, ...], "by": "boundary" | "opcode"}`. The i-th life dies at the
n-th boundary (or bytecode of the order path) it passes; one more life recovers and ends as it should. Answers one JSON
line: how far each life came, and the promises that the records show broken. A job may name a `bug` of BUGS, which every
life of it then has: what the sweep must find. With `pair` each life has two desks, and ends where they differ.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np

from tests.crash.scripted_venue import PRICE, SYMBOLS, WORKING, ScriptedVenue
from tests.oracle import seam
from tests.oracle.pair import pair_of
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseStatus
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import QUOTE_COLUMNS, Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import (
    Action,
    ClockTick,
    Command,
    FillReport,
    LinkDown,
    LinkUp,
    OrderReport,
    SessionBegins,
    Signal,
    Signals,
)
from tradebot.domain.order import Fill, OrderEvent, OrderEventType, OrderRequest, OrderState, Side, VenueOrder
from tradebot.errors import OutcomeUnknown
from tradebot.journal import recovery, schema
from tradebot.journal.recovery import recover_state
from tradebot.journal.rows import InstrumentList, RunEnd, RunRecord
from tradebot.journal.writer import Journal
from tradebot.ops.events.event import drop_event
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.book.exposure import Exposure
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.fill_charges import charges_by_market
from tradebot.trading.desk.gate.exposure_controls import MaxDailyLoss, MaxOpenOrders, MaxPosition, ReduceOnly
from tradebot.trading.desk.gate.flow_controls import FreshData, InSession, MessageRate, NoDuplicate, NotHalted
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.gate.order_controls import MaxOrderSize, OrderSanity, PermittedProduct, PriceCollar
from tradebot.trading.desk.gate.venue_controls import PositionAccounted
from tradebot.trading.desk.settings import DeskSettings, RestingSettings
from tradebot.trading.engine import Engine, EngineSettings, EngineStages, Telemetry
from tradebot.trading.order_sender import SendRules
from tradebot.trading.poll_schedule import PollPace
from tradebot.venues.venue import Reply

OPEN = 1_795_405_500 * SECOND
PAISE = Decimal("0.01")
ORDER_PATH = (
    "trading/",
    "journal/writer.py",
    "journal/journal_file.py",
    "domain/order",
    "domain/portfolio.py",
    "gate/",
)
LIMITS = Limits(
    max_order_notional=Decimal(20_000),
    max_position_notional=Decimal(25_000),
    max_gross_notional=Decimal(90_000),
    max_daily_loss=Decimal(9_000),
    max_open_orders=50,
    orders_per_second=100,
    orders_per_minute=900,
    orders_per_day=9_000,
    duplicate_window_s=0.5,
    stale_after_s=60.0,
)  # of a pair: those of `gate` below, and the short way past them
LOG, TRACE, PASSED = "exchange.jsonl", "trace.jsonl", "passed"
# After the last kill: trade on, look until nothing is in doubt, then stop.
AFTERWARDS = (
    ["quote", "100"],
    ["look"],
    ["enter", "RESTS"],
    ["wait", 70],
    ["look"],
    ["wait", 70],
    ["look"],
    ["stop"],
    ["look"],
    ["look"],
)


class Fuse:
    """Counts what is passed and kills the process at the n-th; 0 never."""

    def __init__(self, at: int, trace: Path) -> None:
        self._at, self._counter = at, itertools.count(1)
        self.passed = 0
        self._trace = os.open(trace, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def passes(self, name: str = "") -> None:
        self.passed = next(self._counter)
        if self.passed == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(self, **line: Any) -> None:
        os.write(self._trace, json.dumps(line).encode() + b"\n")

    def trace_opcodes(self) -> None:
        def watch(frame: FrameType, event: str, _: Any) -> Any:
            if event == "call":
                name = frame.f_code.co_filename.rpartition("/tradebot/")[2]
                if not name.startswith(ORDER_PATH):
                    return None
                frame.f_trace_opcodes, frame.f_trace_lines = True, False
            elif event == "opcode":
                self.passes()
            return watch

        threading.settrace(watch)
        sys.settrace(watch)


class Life:
    """One run of desk, execution, reconciliation and journal over the scripted venue."""

    def __init__(self, folder: Path, fuse: Fuse, *, by: str, pair: bool = False, rests: bool = False) -> None:
        self.folder, self.fuse = folder, fuse
        self.by_boundary = by == "boundary"
        self.recovery = recover_state(folder / schema.FILE_NAME)
        self.clock = ManualClock(max(self.recovery.last_at, OPEN) + 10 * SECOND)
        self.run_id = f"Tlife{len(self.recovery.runs):04d}"
        self.universe = Universe([Instrument(symbol=s, token=256 * (i + 1)) for i, s in enumerate(SYMBOLS)])
        self.venue = ScriptedVenue(
            folder / LOG, self.clock, passes=self._passes, push=self._push,
            sent=lambda request, order_id: fuse.note(did="sent", request=request, order_id=order_id),
        )  # fmt: skip
        resting = RestingSettings(strategies=("s",), stop_market=(("NSE", "equity"),), min_interval_s=1.0)
        settings = DeskSettings(order_notional=Decimal(1000), chase="modify", resting=resting if rests else None)
        book = Book(self.universe, settings, charges_by_market(self.universe))
        self.desk: Any = build_desk(book, gate=gate(), id_prefix=self.run_id, absent_after_s=60.0)
        if pair:
            self.desk = pair_of(
                universe=self.universe, limits=seam.plain(LIMITS), settings=seam.plain(settings), killed=lambda: "",
                id_prefix=self.run_id, venue={"absent_after_s": 60.0},
            )  # fmt: skip

    def _passes(self, name: str) -> None:
        if self.by_boundary:
            self.fuse.passes(name)

    def _push(self, order: VenueOrder, fill: Fill) -> None:
        self.engine.queues.updates.put_or_fail(OrderReport(order=order, mono=self.clock.monotonic_ns()))
        self.engine.queues.updates.put_or_fail(FillReport(fill=fill, mono=self.clock.monotonic_ns()))

    async def live(self, steps: list[list[Any]]) -> None:
        async with self._open() as journal:
            self.journal = journal
            self.engine = Engine(
                feed=SimpleNamespace(resubscribe=None), broker=self.venue, universe=self.universe, clock=self.clock,
                stages=EngineStages(bars=None, analysis=None, desk=self.desk), journal=journal,
                telemetry=Telemetry(measure=lambda name, ns: None, tell=drop_event, beat=lambda: None),
                settings=EngineSettings(
                    stale_after_s=15.0, poll_every_s=1.0, poll_pace=PollPace(live_s=5.0, idle_s=30.0),
                    send_rules=SendRules(deadline_s=1e6, durable_within_s=60.0),
                ),
            )  # type: ignore[arg-type]  # fmt: skip
            account = self.recovery.recovered_account("SIM")
            self.desk.recover_state(
                (*account.events, *account.closing_events),
                adopted=account.adopted,
                halted="",
                opens_at=OPEN,
                halts=self.recovery.halts,
            )
            now = self.clock.market_ns()
            run = RunRecord(run_id=self.run_id, mode="paper", account="SIM", symbols=self.universe.symbols)
            journal.append("run", run, at=now)
            journal.append("universe", InstrumentList(instruments=self.universe.instruments), at=now)
            for event in account.closing_events:
                journal.append("order", event, at=event.at)
            await self.engine.reconcile_at_start()
            async with asyncio.TaskGroup() as tasks:
                execution = self.engine.order_sender
                served = [execution.run_shard(lane) for lane in range(len(execution.queue))]
                running = [tasks.create_task(work) for work in (self.engine.desk_stage.process_messages(), *served)]
                session = SessionBegins(
                    opens_at=OPEN, closes_at=OPEN + 90_000 * SECOND, entries_until=OPEN + 80_000 * SECOND,
                    square_off_at=OPEN + 85_000 * SECOND,
                )  # fmt: skip
                await self.engine.queues.signals.put(session)
                for step in steps:
                    await self._step(*step)
                    await self._settle()
                for task in running:
                    task.cancel()
            blotter = self.desk.book.blotter
            summary = {
                "open_positions": {s: str(q) for s, (q, _) in self.desk.account.open_positions().items()},
                "realized": blotter.positions.realized.quantize(PAISE),
                "charges": blotter.positions.charges.quantize(PAISE),
            }
            journal.append("end", RunEnd(reason="asked", summary=summary), at=self.clock.market_ns())

    def _open(self) -> Journal:
        journal = Journal(self.folder, run=self.run_id, clock=self.clock)
        journal.subscribe_to_commits(self._on_durable)
        journal_file = journal._journal_file
        commit = journal_file._commit

        def guarded(connection: Any, group: Any) -> int:
            self._passes("commit begins")
            pages = commit(connection, group)
            self._passes("commit done")
            return pages

        journal_file._commit = guarded  # type: ignore[method-assign]
        return journal

    def _on_durable(self, rows: Sequence[tuple[int, str, Message]]) -> None:
        self.fuse.note(did="synced", seq=rows[-1][0])
        self._passes("acknowledged")

    async def _step(self, verb: str, *args: Any) -> None:
        self.clock.now_ns += SECOND
        now, engine = self.clock.market_ns(), self.engine
        await engine.queues.quotes.put(ClockTick(at=now, mono=now))
        match verb:
            case "quote":
                self.venue.move(Decimal(args[0]))
                await engine.queues.quotes.put(self._quotes(Decimal(args[0])))
            case "enter" | "exit":
                await engine.queues.quotes.put(self._quotes(PRICE))
                await self._settle()
                action = Action.ENTER_LONG if verb == "enter" else Action.EXIT_LONG
                signals = tuple(
                    Signal(signal_id=f"{verb}/{s}/{now}", strategy="s", symbol=s, action=action, bar_at=now,
                           quoted_at=now, made_at=now, close=100.0,
                           **({"trail_by": 5.0} if s.startswith("TRAIL") else {"stop_loss": 95.0}))
                    for s in args
                )  # fmt: skip
                journal_row = Signals(at=now, interval=60 * SECOND, signals=signals)
                self.journal.append("signals", journal_row, at=now)
                await engine.queues.signals.put(journal_row)
            case "look":
                engine.queues.updates.put_or_fail(await engine.reconciliation.account_reader.read_snapshot())
            case "wait":
                self.clock.now_ns += args[0] * SECOND
                await engine.queues.quotes.put(ClockTick(at=self.clock.now_ns, mono=self.clock.now_ns))
            case "halt" | "resume" | "flatten":
                engine.queues.updates.put_or_fail(Command(verb=CommandVerb(verb), reason="by hand"))
            case "down":
                await engine.queues.quotes.put(LinkDown(source="script", mono=now, reason="cut"))
            case "up":
                await engine.queues.quotes.put(LinkUp(source="script", mono=now))
            case "stop":
                engine.desk_stage.announce_stop()
            case _:
                raise AssertionError(verb)

    def _quotes(self, price: Decimal) -> Quotes:
        n = len(self.universe)
        units = self.universe[0].price_to_units(price)
        columns = {name: np.full(n, units, dtype=np.int64) for name in QUOTE_COLUMNS}
        columns |= {"ids": np.arange(n), "sent_at": np.full(n, self.clock.now_ns, dtype=np.int64)}
        return Quotes(source="script", seen_at=self.clock.now_ns, **columns)

    async def _settle(self) -> None:
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(0)
            is_idle = self.engine.queues.desk_inbox.is_empty and not self.engine.order_sender.queue.pending_count
            if is_idle and self.journal.row_numbers[0] > self.journal.row_numbers[1]:
                await self.journal.wait_durable()
                quiet = 0
            elif is_idle:
                quiet += 1
            else:
                quiet = 0
                await asyncio.sleep(0.0002)


def gate() -> Gate:
    return Gate(
        [
            NotHalted(), InSession(), PermittedProduct(products=("MIS",), allow_short=False), OrderSanity(),
            MaxOrderSize(max_quantity=Decimal(500), max_notional=Decimal(20000)), FreshData(max_age_s=60.0),
            PriceCollar(collar_pct=Decimal(1)), NoDuplicate(window_s=0.5), MaxOpenOrders(max_open=50),
            MaxPosition(per_symbol=Decimal(25000), gross=Decimal(90000)), ReduceOnly(), PositionAccounted(),
            MaxDailyLoss(max_loss=Decimal(9000)), MessageRate(per_second=100, per_minute=900, per_day=9000),
        ]
    )  # fmt: skip


async def _at_once(self: Journal, ticket: int | None = None) -> None:
    return None


async def _sent_again(self: ScriptedVenue, request: OrderRequest) -> Reply:
    try:
        return await _submit(self, request)
    except OutcomeUnknown:
        return await _submit(self, request)


def _forgotten(orders: Any, at: int) -> Iterator[OrderEvent]:
    return iter(())


def _unwritten(self: Journal, kind: str, message: Message, *, at: int) -> int:
    if isinstance(message, OrderEvent) and message.type is OrderEventType.EXECUTED:
        return self.row_numbers[0]
    return _append(self, kind, message, at=at)


def _given_up(orders: Any, at: int) -> Iterator[OrderEvent]:
    for order in orders:
        if order.state in (OrderState.INTENT, OrderState.SENDING):
            yield OrderEvent(order_id=order.order_id, type=OrderEventType.LAPSED, at=at)
            yield OrderEvent(order_id=order.order_id, type=OrderEventType.NOT_SENT, at=at)


def _waits_for_no_stop(self: Exposure, symbol: str) -> Decimal:
    if any(order.request.purpose.rests for order in self.counted_orders(symbol)):
        return Decimal(0)
    return _closing(self, symbol)


_closing = Exposure.closing_quantity
_submit, _append = ScriptedVenue.submit, Journal.append
BUGS: dict[str, tuple[Any, str, Any]] = {
    "sends before the row is on disk": (Journal, "wait_durable", _at_once),
    "sends again after a timeout": (ScriptedVenue, "submit", _sent_again),
    "forgets what was left in the air": (recovery, "_undone", _forgotten),
    "takes what was left in the air for unsent": (recovery, "_undone", _given_up),
    "writes no fill down": (Journal, "append", _unwritten),
    "sells beside its resting stop": (Exposure, "closing_quantity", _waits_for_no_stop),
}


def live_once(
    folder: Path,
    steps: list[list[Any]],
    kill_at: int,
    by: str,
    bug: str = "",
    *,
    pair: bool = False,
    rests: bool = False,
) -> tuple[bool, int]:
    """Fork one life; returns whether it came to its end, and how many points it passed (0 if it was killed)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            schema.WAL_BYTES = 1 << 16  # a fresh log of 8 MB for each of a thousand lives would be the whole test
            if bug:
                owner, name, replacement = BUGS[bug]
                setattr(owner, name, replacement)
            fuse = Fuse(kill_at, folder / TRACE)
            if by == "opcode":
                fuse.trace_opcodes()
            asyncio.run(Life(folder, fuse, by=by, pair=pair, rests=rests).live(steps))
            (folder / PASSED).write_text(str(fuse.passed))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError(f"a life ended with status {status}")
    return not killed, 0 if killed else int((folder / PASSED).read_text())


def work(root: Path, job: dict[str, Any], number: int) -> dict[str, Any]:
    folder = root / f"{os.getpid()}-{number}"
    folder.mkdir(parents=True)
    bug, how = job.get("bug", ""), {"pair": job.get("pair", False), "rests": job.get("rests", False)}
    lives = [live_once(folder, job["steps"], job["kills"][0] if job["kills"] else 0, job["by"], bug, **how)]
    for kill_at in job["kills"][1:]:
        lives.append(live_once(folder, list(AFTERWARDS), kill_at, job["by"], bug, **how))
    live_once(folder, list(AFTERWARDS), 0, "boundary", bug, **how)
    verdicts = judge_records(folder / schema.FILE_NAME, against=folder / LOG, trace=folder / TRACE)
    broken = [f"{v.promise}: {v.evidence}" for v in verdicts if v.status is PromiseStatus.BROKEN]
    broken += oversold(map(json.loads, (folder / LOG).open()))
    shown = [v.promise for v in verdicts if v.status is PromiseStatus.OK]
    requests = sorted({line["request"] for line in map(json.loads, (folder / TRACE).open()) if "request" in line})
    if not broken or bug:
        shutil.rmtree(folder)
    return {"ended": [e for e, _ in lives], "passed": [p for _, p in lives], "broken": broken, "shown": shown,
            "requests": requests, "folder": str(folder)}  # fmt: skip


def oversold(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield where the venue's log shows sales at work, stops at rest included, beyond what is held of a symbol."""
    held, orders = defaultdict[str, Decimal](Decimal), dict[str, dict[str, Any]]()
    for number, line in enumerate(lines, 1):
        if line["kind"] == "fill":
            held[line["symbol"]] += Side(line["side"]).sign * Decimal(line["quantity"])
            orders[line["order_id"]] |= {
                "filled": str(Decimal(orders[line["order_id"]]["filled"]) + Decimal(line["quantity"]))
            }
        elif line["kind"] == "order":
            orders[line["order_id"]] = dict(line)
        else:
            continue
        symbol = line["symbol"] if line["kind"] == "fill" else line["ticket"]["symbol"]
        at_work = [o for o in orders.values() if o["ticket"]["symbol"] == symbol and o["status"] in WORKING]
        sales = (o for o in at_work if o["ticket"]["side"] == "SELL")
        rest = sum((Decimal(o["ticket"]["quantity"]) - Decimal(o["filled"]) for o in sales), Decimal(0))
        if rest > max(held[symbol], Decimal(0)):
            yield f"oversold: line {number}: {rest} of {symbol} can be sold, {held[symbol]} are held"


def main() -> None:
    root = Path(sys.argv[1])
    gc.collect()
    gc.freeze()  # a fork copies each page that a collection touches
    for number, line in enumerate(sys.stdin):
        answer = work(root, json.loads(line), number)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
