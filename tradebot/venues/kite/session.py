"""Kite's REST session, below the broker: a request waits for our rate limits and is then sent exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tradebot.errors import LinkLost, OutcomeUnknown
from tradebot.venues.kite.responses import (
    ResponseKind,
    classify_response,
    failure_of_read,
    reply_of_write,
    written_order_id,
)
from tradebot.venues.kite.rest import NotSentError, RestLink
from tradebot.venues.kite.wire import WireError
from tradebot.venues.limiter import Limiter
from tradebot.venues.venue import NotSent, Reply

Parsed = TypeVar("Parsed")

MAX_WRITE_BYTES = 1 << 20
# A longer list (some 150 trades) takes longer to parse than the event loop may be blocked.
MAX_INLINE_PARSE_BYTES = 64 << 10
MAX_BOOK_BYTES = 16 << 20  # for one list of the account; 5,000 orders of the day are about 5 MB
MAX_INSTRUMENT_FILE_BYTES = 64 << 20  # all exchanges are about 10 MB
MAX_WRITE_WAIT_S = 1.0  # an order that waits longer for the rate limit is stale
MAX_READ_WAIT_S = 10.0


class RestSession:
    """Reads over `link` within the limits of `limiter` and classifies the responses; it cannot write.

    `prefix` is the prefix of every route except the instruments (the sandbox requires `/oms`).
    """

    def __init__(self, link: RestLink, *, limiter: Limiter, prefix: str = "") -> None:
        self._link, self._limiter, self._prefix = link, limiter, prefix

    async def read_book(self, path: str, parse: Callable[[Any], Parsed]) -> Parsed:
        """Return a list of the account, such as its orders, by `parse`. Raises LinkLost or AccessDenied."""
        return await parse_book(path, await self.get_response(path, kind="query"), parse)

    async def get_response(
        self,
        path: str,
        *,
        kind: str,
        params: Sequence[tuple[str, str]] = (),
        total_s: float | None = None,
        max_bytes: int = MAX_BOOK_BYTES,
    ) -> tuple[int, bytes]:
        """Send a read once and return HTTP status and body. Raises LinkLost, also where our rate limit is used up."""
        if not await self._limiter.acquire(kind, within_s=MAX_READ_WAIT_S):
            raise LinkLost(f"GET {path}: our own rate limit left no room for it in {MAX_READ_WAIT_S:g} s")
        prefix = "" if path.startswith("/instruments") else self._prefix
        total_s = total_s or self._link.timeouts.query_s
        return await self._link.send_request("GET", prefix + path, params=params, total_s=total_s, max_bytes=max_bytes)

    async def get_instrument_file(self, path: str) -> tuple[int, bytes]:
        """Return HTTP status and body of an instrument file, with limits for its length. Raises LinkLost."""
        return await self.get_response(
            path, kind="query", total_s=self._link.timeouts.dump_s, max_bytes=MAX_INSTRUMENT_FILE_BYTES
        )

    async def close(self) -> None:
        """Close the connections within at most two seconds."""
        await self._link.close()


class OrderSession(RestSession):
    """Reads and writes. Every order, change and cancel leaves through this class."""

    async def send_write(
        self,
        method: str,
        path: str,
        *,
        kind: str,
        is_exit: bool,
        form: Mapping[str, str] | None = None,
        venue_order_id: str = "",
        id_of: Callable[[object], str | None] = written_order_id,
    ) -> Reply:
        """Send a write once and return Kite's reply to it. Raises OutcomeUnknown.

        `kind` selects the rate limits; an exit may use the share reserved for exits. `venue_order_id` is the order to
        be changed; a response about a different order leaves the outcome unknown. `id_of` finds its id in the data of
        the response. With an expired access token the reply is a `Refused` with code LOGIN_LOST, see `reply_of_write`.
        """
        if not await self._limiter.acquire(kind, is_exit=is_exit, within_s=MAX_WRITE_WAIT_S):
            return NotSent(reason="our own rate limit leaves no room for it")
        try:
            status, body = await self._link.send_request(
                method,
                self._prefix + path,
                form=form,
                total_s=self._link.timeouts.write_s if method == "POST" else self._link.timeouts.change_s,
                max_bytes=MAX_WRITE_BYTES,
            )
        except NotSentError as error:
            return NotSent(reason=str(error))
        except LinkLost as error:
            raise OutcomeUnknown(str(error)) from error
        return reply_of_write(classify_response(status, body), venue_order_id, id_of=id_of)


async def parse_book(path: str, got: tuple[int, bytes], parse: Callable[[Any], Parsed]) -> Parsed:
    """Return `parse` of the data of an account's list, a long one in a thread. Raises what `parse_response` does."""
    if len(got[1]) > MAX_INLINE_PARSE_BYTES:
        return await asyncio.to_thread(parse_response, path, got, parse)
    return parse_response(path, got, parse)


def parse_response(path: str, got: tuple[int, bytes], parse: Callable[[Any], Parsed]) -> Parsed:
    """Return `parse` of the data of a response (HTTP status, body).

    Raises LinkLost or AccessDenied; LoginLost, an AccessDenied, where the access token has expired.
    """
    answer = classify_response(*got)
    if answer.kind is not ResponseKind.DONE:
        raise failure_of_read(path, answer)
    try:
        return parse(answer.data)
    except WireError as error:
        # A list that cannot be parsed as a whole is an error: an incomplete one could look like a flat account.
        raise LinkLost(f"GET {path}: {error}") from error
