"""Our way to fetch quotes: requests for batches of symbols, all at once on one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import aiohttp

BATCH = 500  # instruments per request, the limit of the venue
LIMIT_S = 300.0
QuotesBySymbol = dict[str, float]


async def fetch_in_batches(port: int, asked: Sequence[str]) -> QuotesBySymbol:
    """Return the quotes of the symbols, BATCH of them per request, all requests at once."""
    return await fetch_at_once(port, [asked[i : i + BATCH] for i in range(0, len(asked), BATCH)], 0)


async def fetch_at_once(port: int, groups: Sequence[Sequence[str]], limit: int) -> QuotesBySymbol:
    """Return the quotes of all groups, one request per group, over at most `limit` connections; 0 is no limit."""

    async def ask(session: aiohttp.ClientSession, group: Sequence[str]) -> QuotesBySymbol:
        async with session.get("/quote", params=[("i", symbol) for symbol in group]) as answer:
            quotes: QuotesBySymbol = await answer.json()
            return quotes

    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    connector = aiohttp.TCPConnector(limit=limit)
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as session:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(session, symbols), name=f"fetch-{symbols[0]}") for symbols in groups]
        return merge_quotes(task.result() for task in tasks)


def merge_quotes(answers: Iterable[QuotesBySymbol]) -> QuotesBySymbol:
    """Return all quotes of the answers in one dictionary."""
    return {symbol: quote for answer in answers for symbol, quote in answer.items()}
