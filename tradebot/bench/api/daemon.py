"""The daemon of the API benchmark: that of the order benchmark, with its operator's API as `tradebot run` serves it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection

import uvloop

import tradebot
from tradebot.app import serve_api
from tradebot.bench.daemon.measured_daemon import DaemonSite
from tradebot.bench.orders.daemon import order_config, trade_quotes
from tradebot.clock import WallClock
from tradebot.config import Config
from tradebot.config.api_section import ApiSection
from tradebot.control.control_apis import ControlApis
from tradebot.control.event_memory import EventMemory
from tradebot.control.event_stream import EventStreams
from tradebot.control.loopback_address import LoopbackAddress
from tradebot.daemon.daemon import Daemon
from tradebot.domain.message import Message
from tradebot.metrics.run_metrics import RunMetrics
from tradebot.ops.event_lines import EventLines
from tradebot.ops.events.bus import EventBus


class ReaderCounts(Message, frozen=True):
    """The daemon's own counts: readers dropped since its start, and events that readers missed."""

    dropped: int
    missed: int


def serve_orders_and_api(site: DaemonSite, ticker: str, pipe: Connection) -> None:
    """Run the daemon until the process is killed: send its port, then answer whatever comes with ReaderCounts."""
    uvloop.run(_run(site, ticker, pipe))


async def _run(site: DaemonSite, ticker: str, pipe: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = LoopbackAddress("127.0.0.1", probe.getsockname()[1])
    config = order_config(site, store=True)
    config = config.model_copy(update={"api": ApiSection(listen=str(address))})
    api = _Api(site, config, pipe, address.port)
    await trade_quotes(site, ticker, config, beside=api.serve, bus=api.bus)


class _Api:
    def __init__(self, site: DaemonSite, config: Config, pipe: Connection, port: int) -> None:
        self.bus, self._config, self._pipe, self._port = EventBus(), config, pipe, port
        lines = EventLines(run_id=site.name, mode=config.mode_label, logger="daemon")
        self._memory = EventMemory(site.name, lines, WallClock())
        self._metrics = RunMetrics(
            version=tradebot.__version__, mode=config.mode_label, clock=WallClock(), lines_dropped=lambda: 0
        )
        self.bus.subscribe(self._metrics.counts.count_event)
        self.bus.subscribe(self._memory.record_event)

    @asynccontextmanager
    async def serve(self, daemon: Daemon) -> AsyncIterator[None]:
        """Serve the API of a daemon that does not trade yet while the context is open."""
        daemon.attach_metrics(self._metrics)
        operator, lists = daemon.open_operator(lambda _: None)
        streams = EventStreams(self._memory, WallClock(), self.bus.emit_event)
        apis = ControlApis(operator, events=streams, metrics=self._metrics.render_text)
        apis.begin_run(operator, lists)
        async with (
            serve_api(self._config, apis, WallClock(), self.bus.emit_event),
            asyncio.TaskGroup() as tasks,
        ):
            answering = tasks.create_task(self._answer_parent(streams), name="counts")
            yield
            answering.cancel()

    async def _answer_parent(self, streams: EventStreams) -> None:
        self._pipe.send(self._port)
        with suppress(EOFError):
            while True:
                await asyncio.to_thread(self._pipe.recv)
                self._pipe.send(ReaderCounts(dropped=streams.closed_count, missed=streams.missed_count))
