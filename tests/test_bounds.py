"""Everything that grows has a bound and a rule for what happens at it: the list, and that nothing is missing from it.

A container that an object of the running daemon keeps is found in the sources; one that is not in the list turns red.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
# The packages whose objects live as long as the daemon does.
LASTING = (
    "daemon", "trading", "journal/writer.py", "journal/journal_file.py", "journal/writer_thread.py",
    "store/outbox.py", "store/projection.py", "store/postgres.py", "ops", "paper", "venues", "control/server.py",
    "metrics", "notify",
    "control/operator_api.py", "control/event_memory.py", "control/event_stream.py", "control/connection_places.py",
    "control/request_rate.py", "control/journal_lists.py",
)  # fmt: skip
GROWING = (
    "dict",
    "set",
    "list",
    "deque",
    "OrderedDict",
    "Counter",
    "defaultdict",
    "Queue",
    "SimpleQueue",
    "PriorityQueue",
)


class Bound(NamedTuple):
    """What bounds a container: `most` entries, and the rule at the bound. `where` is `module:NAME` of a constant."""

    most: str
    rule: str
    where: str = ""


LINES = "the rows of the venue's positions and holdings"
UNIVERSE, SYMBOLS, LIVE = (
    "one per instrument",
    "one per symbol of the run or of the account",
    "one per order that lives",
)
GONE = "goes when its order ends or is forgotten"
BOUNDS: dict[str, Bound] = {
    # ---- the queues
    "trading.queues.StageQueues.market": Bound("2,000", "quotes merge to the newest per symbol; the clock waits"),
    "trading.queues.StageQueues.closes": Bound("64", "the bars wait"),
    "trading.queues.StageQueues.updates": Bound("10,000", "full is a bug: the process ends; nothing is dropped"),
    "trading.queues.StageQueues.signals": Bound("512", "the analysis waits"),
    "trading.queues.StageQueues.quotes": Bound("2,000", "quotes merge to the newest per symbol; the bars wait"),
    "trading.desk_stage.DeskStage._commands": Bound(
        "one per request of the control socket", "the socket takes a few at a time"),
    "trading.order_queue.OrderQueue._lanes": Bound("1,000 each", "the desk waits"),
    "journal.waiters.RowBuffer._rows": Bound("100,000 rows", "the journal fails and trading ends",
                                             "tradebot.journal.writer:QUEUE_ROWS"),
    "journal.waiters.Waiters._heap": Bound("one per waiting task", "each waits with a time limit"),
    # ---- the operator's API
    "control.event_memory.EventMemory._events": Bound(
        "2,000", "the oldest is forgotten; a reader that did not come to it is told how many",
        "tradebot.control.event_memory:MEMORY_EVENTS"),
    "control.connection_places.ConnectionPlaces._answering": Bound(
        "20 a listener, and the streams", "one that sends no request goes for a fresh one, else it is told",
        "tradebot.control.connection_places:MAX_CONNECTIONS"),
    "control.event_stream.EventStreams._turns": Bound(
        "16, one a reader", "a further reader is told to come later", "tradebot.control.event_stream:MAX_READERS"),
    "control.connection_places.ConnectionPlaces._streaming": Bound(
        "16 of both listeners", "a further reader is told to come later", "tradebot.control.event_stream:MAX_READERS"),
    # ---- the desk
    "trading.desk.book.blotter.Blotter.orders": Bound(
        "20,000 ended ones and the living", "the oldest that ended is forgotten",
        "tradebot.trading.desk.book.blotter:MAX_ENDED_ORDERS"),
    "trading.desk.book.blotter.Blotter.forgotten_orders": Bound(
        "the orders that one fact lets go", "emptied with the next"),
    "trading.desk.book.blotter.Blotter._ended": Bound("as the orders", "the oldest goes with its order"),
    "trading.desk.book.blotter.Blotter.by_venue_id": Bound("as the orders", "forgotten with its order"),
    "trading.desk.book.blotter.Blotter.booked_fills": Bound("as the orders", "forgotten with its order"),
    "trading.desk.book.blotter.Blotter.busted_fills": Bound("as the orders", "forgotten with its order"),
    "trading.desk.book.positions.Positions.by_key": Bound("the products that we traded of each symbol", "none goes"),
    "trading.desk.book.positions.Positions._keys": Bound(SYMBOLS, "none goes"),
    "trading.desk.book.positions.Positions._with_many_keys": Bound(SYMBOLS, "none goes"),
    "trading.desk.book.positions.Positions.open": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.book.blotter.Blotter.overfilled": Bound(SYMBOLS, "goes when the venue's list agrees"),
    "trading.desk.book.blotter.Blotter.dirty_exposure": Bound(SYMBOLS, "emptied by its reader"),
    "trading.desk.book.positions.Positions.dirty_pnl": Bound(SYMBOLS, "emptied by its reader"),
    "trading.reconciliation.Reconciliation._told": Bound("50,000", "the oldest goes",
                                                        "tradebot.trading.reconciliation:FILLS_REMEMBERED"),
    "trading.analysis.signal_batch.SignalBatch._tables": Bound(
        "the signals of one close", "a new volley is made for each"),
    "trading.desk.book.pnl.Pnl._costs": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.book.pnl.Pnl._fractional": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.book.exposure.Exposure._live": Bound(LIVE, GONE),
    "trading.desk.book.exposure.Exposure.reserved": Bound(
        "one per order that ended in the last ten minutes", "released by the clock"),
    "trading.desk.rules.missing_fills.MissingFills.missing_since": Bound(LIVE, GONE),
    "trading.desk.rules.missing_fills.MissingFills._disputed": Bound("one per disputed fill", GONE),
    "trading.desk.rules.missing_fills.MissingFills.inferred_fills": Bound("one per fill that never came", GONE),
    "trading.desk.book.conditions.Conditions.unprotected": Bound(SYMBOLS, "goes when a stop rests, or with the day"),
    "trading.desk.rules.other_daemons.OtherDaemons._seen": Bound(
        "20,000 tags", "all are forgotten", "tradebot.trading.desk.rules.other_daemons:MAX_SEEN_TAGS"),
    "trading.desk.rules.resting_stops.RestingStops._guarded": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.rules.resting_stops.RestingStops.delays": Bound(
        "1,000", "the oldest goes", "tradebot.trading.desk.rules.resting_stops:DELAYS_KEPT"),
    "trading.desk.rules.exits.Exits._reached_mono": Bound(SYMBOLS, "goes with a fill"),
    "trading.desk.rules.gtt_reports.GttReports._found": Bound(LIVE, "rebuilt with each list"),
    "trading.desk.rules.gtt_reports.GttReports._held_since": Bound(LIVE, "rebuilt with each list"),
    "trading.desk.rules.gtt_reports.GttReports.ambiguous": Bound(LIVE, "rebuilt with each list"),
    "trading.desk.rules.venue_reports.VenueReports._asked": Bound(LIVE, "rebuilt with each list"),
    "trading.desk.rules.duplicate_fills.DuplicateFills._since": Bound(SYMBOLS, "rebuilt with each list"),
    "trading.desk.rules.report_translator.ReportTranslator.orphan_fills": Bound(
        "10,000", "the oldest goes", "tradebot.trading.desk.rules.report_translator:MAX_ORPHANS"),
    "trading.desk.rules.report_translator.ReportTranslator._misses": Bound(LIVE, "rebuilt with each list"),
    "trading.desk.rules.report_translator.ReportTranslator._lagging_since": Bound(LIVE, "rebuilt with each list"),
    "trading.desk.book.external_positions.ExternalPositions._converted": Bound(LINES, "goes when it is given up"),
    "trading.desk.book.external_positions.ExternalPositions._heard_since": Bound(
        "one per line held at the start", "emptied after twelve looks"
    ),
    "trading.desk.book.external_positions.ExternalPositions.quantities": Bound(
        LINES, "goes when the venue holds ours alone"),
    "trading.desk.book.external_positions.ExternalPositions._accounted": Bound(LINES, "follows the venue's net"),
    "trading.desk.book.external_positions.ExternalPositions._prices": Bound(LINES, "rebuilt with each list"),
    "trading.desk.book.external_positions.ExternalPositions._unconfirmed": Bound(LINES, "rebuilt with each list"),
    "trading.desk.book.external_positions.ExternalPositions._unsettled": Bound(
        LINES, "goes with books that account for it"),
    "trading.desk.rules.cancels.Cancels._given_up": Bound(
        "one per order that outlived its cancels", "forgotten with its order"),
    "trading.desk.placing.denials.Denials._found": Bound("one per control and strategy", "none goes"),
    "trading.desk.rules.entries.Entries.waiting": Bound(SYMBOLS, "goes with its exit or its age"),
    "trading.account_reader.AccountReader._unread": Bound(
        "10,000 rows", "the oldest goes", "tradebot.trading.account_reader:UNREAD_REMEMBERED"),
    "ops.reminder.Reminder._told": Bound("1,000", "the oldest goes", "tradebot.ops.reminder:TOPICS_REMEMBERED"),
    "trading.desk.desk.Desk._out": Bound("the outputs of one message", "rebuilt with each message"),
    "trading.desk.rules.reject_breaker.Rejections.streaks": Bound(
        "one per strategy, one per symbol that exits", "goes with a fill or a halt"),
    "trading.desk.rules.reject_breaker.Rejections._times": Bound(
        "one per strategy, symbol that exits, account", "goes with the day"),
    "trading.desk.fill_charges.MarketCharges._tariffs": Bound(
        "one per symbol, product and side", "emptied when the rates change"),
    "trading.desk.book.pending_exits.PendingExits.requested": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.book.pending_exits.PendingExits.holders": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.book.pending_exits.PendingExits._to_try": Bound(SYMBOLS, "goes when it is flat or its exit works"),
    "trading.desk.rules.reject_breaker.Rejections._symbols": Bound("strategies times symbols", "goes with the day"),
    "trading.desk.rules.position_stops.PositionStops.moved_ids": Bound(UNIVERSE, "written once a second"),
    "trading.quote_requester.QuoteRequester._silent": Bound(UNIVERSE, "goes when it was asked for"),
    "trading.quote_requester.QuoteRequester._wanted": Bound(UNIVERSE, "goes when it was asked for"),
    "trading.late_quotes.LateQuotes._untold": Bound(UNIVERSE, "told and emptied once a minute"),
    "trading.price_band.PriceBand._waiting": Bound(UNIVERSE, "goes with the next price"),
    "trading.price_band.PriceBand._times": Bound(UNIVERSE, "three times each"),
    "trading.price_band.PriceBand.doubted_prices": Bound("one per row of a frame", "taken with each frame"),
    "trading.quote_quality.QuoteQualityMonitor._told": Bound(UNIVERSE, "none goes"),
    "trading.feed_monitor.SilenceMonitor._silent": Bound(SYMBOLS, "goes with its next quote, or when it is flat"),
    "venues.kite.feed.KiteFeed._wires": Bound("one per connection", "the newest of each"),
    "trading.feed_monitor.SilenceMonitor._met": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.rules.exits.Exits.refusals": Bound(SYMBOLS, "goes with the next fill"),
    "trading.desk.placing.placement.Placement._denied_exits": Bound(SYMBOLS, "none goes"),
    "trading.desk.rules.position_stops.PositionStops.by_instrument": Bound(UNIVERSE, "goes when it is flat"),
    "trading.desk.book.links.Links.stale_sources": Bound("one per connection", "goes when it is up"),
    "trading.desk.book.conditions.Conditions.unaccounted": Bound(SYMBOLS, "rebuilt with each list"),
    "trading.desk.book.session_times.SessionTimes._endings": Bound(SYMBOLS, "rebuilt with each session"),
    "trading.desk.gate.flow_controls.MessageRate._sent": Bound("the orders of a minute", "the oldest goes"),
    "trading.desk.gate.flow_controls.NoDuplicate._unsorted": Bound("64", "they are sorted in",
                                                              "tradebot.trading.desk.gate.flow_controls:MAX_UNSORTED"),
    "trading.desk.gate.flow_controls.NoDuplicate._orders": Bound("10,000 of the window's orders", "the oldest goes",
        "tradebot.trading.desk.gate.flow_controls:NoDuplicate.MAX_REMEMBERED"),
    "trading.desk.gate.flow_controls.NoDuplicate._older": Bound("10,000", "the ids before the newest 10,000 go at once",
        "tradebot.trading.desk.gate.flow_controls:NoDuplicate.MAX_REMEMBERED"),
    "trading.desk.gate.flow_controls.NoDuplicate._signals": Bound("10,000", "they become the older ones",
        "tradebot.trading.desk.gate.flow_controls:NoDuplicate.MAX_REMEMBERED"),
    "trading.order_queue.OrderQueue._symbols": Bound(
        "20,000", "the oldest goes", "tradebot.trading.order_queue:ORDERS_REMEMBERED"),
    "trading.order_queue.OrderQueue._queued": Bound("as the lanes", "goes when its turn comes"),
    "trading.order_queue.OrderQueue._withdrawn": Bound("as the lanes", "goes when its turn comes"),
    "trading.desk.placing.gross_exposure.GrossExposure._fractional": Bound(SYMBOLS, "goes when it is flat"),
    "trading.desk.recording_desk.RecordingDesk._to_describe": Bound(SYMBOLS, "64 go with each tick"),
    "trading.desk.book.state_hash.StateHasher._positions": Bound(SYMBOLS, "those of the desk at the last hash"),
    "trading.desk.book.state_hash.StateHasher._orders": Bound(
        "the live orders at the last hash", "goes with the next hash"),
    "trading.desk.recording_desk.RecordingDesk._entries": Bound("500", "written as one row of the journal",
                                                 "tradebot.trading.desk.recording_desk:MAX_ENTRIES"),
    # ---- bars and analysis
    "trading.bar_builder.BarBuilder._finished": Bound("the bars of one interval and its grace", "emitted by the clock"),
    "trading.analysis.analysis.Analysis._inline": Bound("one per share", "fixed at the start"),
    "trading.analysis.worker_inputs.WorkerInputs._pasts": Bound(UNIVERSE, "set when the symbol joins"),
    "trading.analysis.worker_inputs.WorkerInputs._held": Bound("20,000 closes", "the oldest goes",
                                                     "tradebot.trading.analysis.worker_inputs:HOLDINGS_REMEMBERED"),
    "trading.analysis.worker_inputs.WorkerInputs._off": Bound("one per strategy and instrument", "none goes"),
    "trading.analysis.worker_pool.Worker.missed_closes": Bound("the closes of one rebuild, which has a time limit",
                                                  "fed or dropped then"),
    "trading.analysis.worker_pool.Worker.joining": Bound("as the symbols of the worker", "goes with the rebuild"),
    "trading.analysis.waiting_symbols.WaitingSymbols._closes": Bound(
        "2,000 closes of the symbols that wait", "the oldest goes",
        "tradebot.trading.analysis.waiting_symbols:MAX_KEPT_CLOSES"),
    "trading.outages.OutageLog._down": Bound("one per link", "goes when it comes up"),
    "trading.outages.OutageLog._outages": Bound(
        "16", "the oldest two become one", "tradebot.trading.outages:MAX_OUTAGES"),
    "trading.repair_hold.RepairHold._until": Bound(UNIVERSE, "goes with its repair"),
    "daemon.warmup.warm_start.WarmStart._arrived": Bound(UNIVERSE, "goes with the next join"),
    "daemon.warmup.warm_start.WarmStart._waiting": Bound(UNIVERSE, "goes when the symbol joins"),
    "daemon.warmup.warm_start.WarmStart._bars_of": Bound(UNIVERSE, "none goes"),
    "daemon.warmup.warmup_loader.WarmupLoader._gaps": Bound(UNIVERSE, "goes once written"),
    "daemon.warmup.warmup_loader.WarmupLoader.repaired": Bound(UNIVERSE, "none goes"),
    "trading.analysis.worker_pool.Worker.replaced_mono": Bound("three in ten minutes",
                                                       "older ones go; one more and it stays off"),
    "trading.analysis.worker_pool.WorkerPool._repairs": Bound("one per worker", "each waits for its repair"),
    "trading.analysis.socket_channel.SocketChannel._waiting": Bound("one per job of a worker, which has one at a time",
                                                      "each has a deadline"),
    "trading.analysis.partition.Partition._pasts": Bound(UNIVERSE, "emptied once the warm-up is whole"),
    # ---- what is said and measured
    "journal.writer_thread.WriterThread._queue": Bound("100,000 rows", "the journal fails and trading ends",
                                              "tradebot.journal.writer:QUEUE_ROWS"),
    "ops.latency.Latencies._rings": Bound("one ring per measurement", "the oldest duration is overwritten"),
    "ops.latency.Latencies._counts": Bound("one per measurement", "fixed names"),
    "ops.latency.Latencies._worst": Bound("one per measurement", "fixed names"),
    "ops.output_capture.OutputCapture._pipes": Bound("two", "one of standard output, one of standard error"),
    "ops.line_writer.LineWriter._lines": Bound("its capacity", "new lines are dropped and counted"),
    "ops.logs.Logs._undo": Bound("a few", "fixed at the start"),
    "ops.liveness.Liveness._seen": Bound("one per part", "fixed at the start"),
    "ops.journal_logger.JournalLogger._requests": Bound(
        "20,000", "the oldest goes", "tradebot.ops.journal_logger:REQUESTS_REMEMBERED"),
    "ops.journal_logger.JournalLogger._untold": Bound("the rows of a commit", "told in the next turns of the loop"),
    # ---- what reaches a person
    "notify.alert_group.AlertGroup._lines": Bound(
        "100 kinds of events", "others are counted by name", "tradebot.notify.alert_group:MAX_LINES"),
    "notify.alert_group.AlertGroup._unlisted": Bound("one per event that is declared", "goes with its message"),
    "notify.alert_pace.AlertPace._told": Bound("one per event that is declared", "none goes"),
    "notify.alert_pace.AlertPace._quiet": Bound("messages of an hour", "the oldest goes"),
    "notify.chat.Chat._strangers": Bound("1,000", "others are not told apart", "tradebot.notify.chat:MAX_STRANGERS"),
    "notify.chat.Chat._recent": Bound("20", "the oldest goes", "tradebot.notify.chat:COMMANDS_PER_MINUTE"),
    # ---- paper, the store and the venues
    "paper.quote_source.QuoteSource._coming": Bound(
        "20,000 frames", "the oldest is dropped and counted", "tradebot.paper.quote_source:MAX_FRAMES"),
    "paper.shadow.Shadow._frames": Bound(
        "20,000 frames", "the oldest is dropped and counted", "tradebot.paper.shadow:MAX_FRAMES"),
    "paper.shadow.Shadow._requests": Bound(
        "5,000", "the newest is dropped and counted", "tradebot.paper.shadow:MAX_REQUESTS"),
    "paper.shadow.Shadow._order_ids": Bound("the orders of a day", "emptied with the day"),
    "store.postgres.PostgresStore._staged": Bound("one per table", "goes with its connection"),
    "store.projection.Projection._positions": Bound(SYMBOLS, "none goes"),
    "store.projection.Projection._orders": Bound("20,000", "the oldest goes and is folded again when it is needed",
                                                 "tradebot.store.projection:KEPT_ORDERS"),
    "store.projection.Projection._lines": Bound("the lines of one batch", "made anew with each batch"),
    "venues.trade_batcher.TradeBatcher._rows": Bound("one turn of the loop", "handed on whole"),
    "venues.kite.server.market_routes.KiteMarketRoutes._rows": Bound("two per instrument", "fixed for the run"),
    "venues.kite.server.market_routes.KiteMarketRoutes._lists": Bound("one per exchange", "fixed names"),
    "venues.kite.server.session.LoginSessions._request_tokens": Bound(
        "100", "the oldest goes", "tradebot.venues.kite.server.session:MAX_REQUEST_TOKENS"),
    "venues.kite.server.ticker.TickerClient._unlisted": Bound(
        "3,000 with what is listed", "more are refused", "tradebot.venues.kite.server.ticker:MAX_SUBSCRIPTIONS"),
    "venues.kite.server.ticker.TickerClient._texts": Bound(
        "1,000", "the connection is cut", "tradebot.venues.kite.server.ticker:MAX_ORDER_FRAMES"),
    "venues.kite.server.ticker.TickerClient._frames": Bound(
        "128", "the newest of each instrument is sent instead", "tradebot.venues.kite.server.ticker:MAX_FRAMES"),
    "venues.kite.server.ticker.KiteTicker._links": Bound(
        "3", "a fourth is refused", "tradebot.venues.kite.server.ticker:MAX_CONNECTIONS"),
    "venues.kite.rest.RestLink._limits": Bound("one per kind of request", "fixed numbers"),
}  # fmt: skip


def containers() -> Iterator[tuple[str, str]]:
    """Yield (module.Class.attribute, file:line) of every container that an object of a lasting package keeps."""
    for path in sorted((ROOT / "tradebot").rglob("*.py")):
        name = path.relative_to(ROOT / "tradebot").as_posix()
        if not name.startswith(LASTING):
            continue
        module = name.removesuffix(".py").replace("/", ".")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for attribute, line in _kept(node):
                    yield f"{module}.{node.name}.{attribute}", f"tradebot/{name}:{line}"


def _kept(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    begin = next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
    for statement in ast.walk(begin) if begin is not None else ():
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            for target in targets:
                pairs = (
                    zip(target.elts, statement.value.elts, strict=True)
                    if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
                    else [(target, statement.value)]
                )
                for one, value in pairs:
                    if isinstance(one, ast.Attribute) and _grows(value):
                        yield one.attr, statement.lineno


def _grows(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict | ast.List | ast.Set):
        return not getattr(value, "elts", getattr(value, "keys", []))  # an empty one is there to be filled
    if isinstance(value, ast.Call):
        called = value.func.value if isinstance(value.func, ast.Subscript) else value.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return (name in GROWING and not value.args) or name in ("BoundedQueue", "deque")
    return False


def test_everything_that_grows_is_in_the_list() -> None:
    found = dict(containers())
    missing = [f"{place}: {name}" for name, place in found.items() if name not in BOUNDS]
    assert not missing, "no bound is stated for\n" + "\n".join(missing)


def test_each_lane_of_the_engine_holds_what_the_list_says() -> None:
    source = (ROOT / "tradebot/trading/queues.py").read_text(encoding="utf-8")
    sizes = re.findall(r'self\.(\w+) = BoundedQueue\("\w+", ([\d_]+)\)', source)
    assert len(sizes) == 5
    for name, size in sizes:
        assert BOUNDS[f"trading.queues.StageQueues.{name}"].most == f"{int(size):,}", name


def test_the_list_names_what_there_is() -> None:
    import tradebot

    for name, bound in BOUNDS.items():
        module, owner, attribute = name.rsplit(".", 2)
        source = (Path(tradebot.__file__).parent / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert f"class {owner}" in source, name
        assert f"self.{attribute}" in source, name
        assert bound.most, name
        assert bound.rule, name


@pytest.mark.parametrize("bound", [b for b in BOUNDS.values() if b.where], ids=lambda b: b.where)
def test_a_stated_number_is_the_one_in_the_sources(bound: Bound) -> None:
    module, _, path = bound.where.partition(":")
    value = importlib.import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    assert f"{value:,}" in bound.most
