"""The page on loopback to which the venue's login sends the browser: it hands the redirected address on, once."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tradebot.clock import Clock
from tradebot.control.loopback_address import LOOPBACK_HOSTS
from tradebot.errors import RequestRefused, TradebotError, VenueUnavailable

HTTP_PORT = 80
HOST_HEADER = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
SHUTDOWN_TIMEOUT_S = 1.0
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>tradebot</title><body style="font: 1.1rem system-ui; margin: 3rem auto; max-width: 34rem; padding: 0 1rem">
<h1 style="font-size: 1.3rem">{title}</h1><p>{sentence}</p></body></html>
"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Answer = dict[str, Any]


def is_loopback_redirect(address: str) -> bool:
    """Return whether this machine can wait at a redirect address: plain http of loopback."""
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS


async def wait_for_redirect(
    address: str,
    log_in: Callable[[str], Answer],
    *,
    clock: Clock,
    within_s: float,
    on_refused: Callable[[str], None],
    on_listening: Callable[[], None] = lambda: None,
) -> Answer | None:
    """Wait at `address` for the browser, give each redirected address to `log_in`, and return its first answer.

    `log_in` runs in a thread and raises TradebotError; a refusal is shown in the browser and passed to `on_refused`,
    and the wait goes on. `on_listening` is called once a browser may come. Returns None after `within_s` wall seconds.
    Raises VenueUnavailable for a port in use.
    """
    parts = urlsplit(address)
    done: asyncio.Queue[Answer | TradebotError] = asyncio.Queue(1)

    async def answer(request: web.Request) -> web.Response:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not HOST_HEADER.fullmatch(hosts[0]):
            return _page(403, "Refused", "This page answers the browser of its own machine.")
        try:
            granted = await asyncio.to_thread(log_in, f"{parts.scheme}://{parts.netloc}{request.path_qs}")
        except RequestRefused as error:
            on_refused(str(error))
            return _page(409, "The login was refused", str(error))
        except TradebotError as error:
            _offer(done, error)
            return _page(503, "The daemon cannot log in now", str(error))
        _offer(done, granted)
        return _page(200, "Logged in", f"tradebot has the login of account {granted['account']}. Close this page.")

    app = web.Application()
    app.router.add_get(parts.path or "/", answer, allow_head=False)  # a look ahead must not use up the token
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, parts.hostname, parts.port or HTTP_PORT).start()
        except OSError as error:
            raise VenueUnavailable(
                f"{address} cannot be listened on ({error.strerror or error}); give the redirected address as argument"
            ) from error
        on_listening()
        try:
            async with asyncio.timeout(within_s):
                found = await done.get()
        except TimeoutError:
            return None
        await clock.sleep(0.1)  # the page of the answer is on its way to the browser
    finally:
        await runner.cleanup()
    if isinstance(found, TradebotError):
        raise found
    return found


def _offer(done: asyncio.Queue[Answer | TradebotError], found: Answer | TradebotError) -> None:
    if not done.full():
        done.put_nowait(found)


def _page(status: int, title: str, sentence: str) -> web.Response:
    text = PAGE.format(title=html.escape(title), sentence=html.escape(sentence))
    return web.Response(status=status, text=text, content_type="text/html", headers=HEADERS)
