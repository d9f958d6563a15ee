"""The rivals in fetching quotes: one request after the other, in pools of threads or processes, or all at once."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from urllib.parse import urlencode

from tradebot.bench.data.batches import LIMIT_S, QuotesBySymbol, fetch_at_once, merge_quotes

_kept = threading.local()  # one connection per thread of each process
_opened: list[http.client.HTTPConnection] = []  # closed at the end


def fetch_one(port: int, symbol: str) -> QuotesBySymbol:
    """Return the quote of a symbol over this thread's own connection."""
    connection = getattr(_kept, "connection", None)
    if connection is None or connection.port != port:
        connection = _kept.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        _opened.append(connection)
    connection.request("GET", "/quote?" + urlencode({"i": symbol}))
    quotes: QuotesBySymbol = json.loads(connection.getresponse().read())
    return quotes


def close_connections() -> None:
    """Close all connections of this process."""
    while _opened:
        _opened.pop().close()


def fetch_sequentially(port: int, asked: Sequence[str]) -> QuotesBySymbol:
    """Return the quotes of the symbols, one request after the other."""
    return merge_quotes(fetch_one(port, symbol) for symbol in asked)


def fetch_by_pool(pool: Executor, port: int, asked: Sequence[str]) -> QuotesBySymbol:
    """Return the quotes of the symbols, each requested by a worker of the pool."""
    return merge_quotes(pool.map(fetch_one, [port] * len(asked), asked))


async def fetch_singly(port: int, asked: Sequence[str], limit: int) -> QuotesBySymbol:
    """Return the quotes of the symbols, one request each, over at most `limit` connections; 0 is no limit."""
    return await fetch_at_once(port, [[symbol] for symbol in asked], limit)
