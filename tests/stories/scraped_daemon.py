"""The real command with its metrics served on loopback at the port in METRICS_PORT, as a scraper reads them."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from aiohttp import web

from tradebot.__main__ import main
from tradebot.daemon.daemon import Daemon
from tradebot.metrics.run_metrics import CONTENT_TYPE

trade = Daemon.run_until_stopped


async def trade_and_serve(daemon: Daemon, stop: asyncio.Event, reasons: list[str]) -> dict[str, Any]:
    """Run the daemon with a server of its metrics beside it."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=daemon.metrics_text(), headers={"Content-Type": CONTENT_TYPE})

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
    Daemon.run_until_stopped = trade_and_serve  # type: ignore[method-assign,assignment]
    main()
