"""The real command with its metrics served on loopback at the port in METRICS_PORT, as a scraper reads them."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from aiohttp import web

from tradebot.__main__ import main
from tradebot.control.api_application import METRICS_TYPE
from tradebot.daemon.daemon import Daemon
from tradebot.metrics.run_metrics import RunMetrics

attach, trade = Daemon.attach_metrics, Daemon.run_until_stopped
attached: list[RunMetrics] = []  # those of the one run of this process


def attach_and_keep(daemon: Daemon, metrics: RunMetrics) -> None:
    """Attach the metrics, and keep them for the server."""
    attach(daemon, metrics)
    attached.append(metrics)


async def trade_and_serve(daemon: Daemon, stop: asyncio.Event, reasons: list[str]) -> dict[str, Any]:
    """Run the daemon with a server of its metrics beside it."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=attached[-1].render_text(), headers={"Content-Type": METRICS_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["METRICS_PORT"])).start()
    try:
        return await trade(daemon, stop, reasons)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    Daemon.attach_metrics = attach_and_keep  # type: ignore[method-assign]
    Daemon.run_until_stopped = trade_and_serve  # type: ignore[method-assign,assignment]
    main()
