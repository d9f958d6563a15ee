"""Kite's ticker: websocket frames in, quotes and order updates out; the start of market data in live and paper mode."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlencode

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from tradebot import __version__
from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.message import Message
from tradebot.domain.messages import LinkDown, LinkUp, MarketMessage
from tradebot.domain.order import VenueOrder
from tradebot.errors import DataError, LinkLost
from tradebot.ops.events.event import EventListener, drop_event
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.feed_notices import DROPPED_KINDS, FeedNotices
from tradebot.venues.kite.rules import TICKER_CONNECTIONS, TOKENS_PER_CONNECTION, TOKENS_PER_SUBSCRIBE
from tradebot.venues.kite.wire import (
    FrameCounts,
    TokenTable,
    WireError,
    parse_frame,
    parse_text,
    render_mode,
    render_subscribe,
)
from tradebot.venues.link import Backoff, Throttled, read_frames, run_with_reconnect
from tradebot.venues.tls import trusted_ssl_context

MAX_FRAME_BYTES = 1 << 20  # 3,000 full packets are 558,002 bytes
# The receive buffer of the operating system, about as much as the event loop should read at once. With a larger one
# uvloop reads a quarter of a megabyte at once, some thirty frames of fifty ticks. With a round trip of 20 ms this size
# still lets 17,000 full ticks a second through.
RECEIVE_BUFFER_BYTES = 64 << 10
NO_TIME = -1
MODES = ("ltp", "quote", "full")
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0

OnMarket = Callable[[MarketMessage], None]
OnOrder = Callable[[VenueOrder], None]


class FeedSettings(Message, frozen=True):
    """The settings of a stream: `mode` is the content of a tick, see `MODES`.

    A connection is replaced after `silent_after_s` wall seconds without any frame, heartbeats included.
    """

    mode: str = "full"
    silent_after_s: float = 5.0
    backoff: Backoff = Backoff()
    tokens_per_connection: int = TOKENS_PER_CONNECTION


class KiteFeed:
    """Streams a universe over one connection per 3,000 tokens; `frame_counts` counts what was received and dropped.

    The source of its messages is `kite`; with several connections it is `kite-1`, `kite-2`, ... Each connection
    delivers all order updates, so with several they repeat. `rng` draws the waits between two tries. `tell` receives
    events for the broker's notices and for dropped data. Raises DataError for a universe without tokens or with more
    tokens than three connections take.
    """

    def __init__(
        self,
        universe: Universe,
        *,
        url: str,
        credentials: Credentials,
        clock: Clock,
        settings: FeedSettings = FeedSettings(),
        rng: np.random.Generator | None = None,
        tell: EventListener = drop_event,
        ca_bundle: str = "",
    ) -> None:
        assert settings.mode in MODES, f"mode must be one of {MODES}, was {settings.mode!r}"
        self.frame_counts = FrameCounts()
        self._table = TokenTable(universe)
        self._url, self._credentials = url, credentials
        self._clock, self._settings, self._ca_bundle = clock, settings, ca_bundle
        self._rng = rng if rng is not None else np.random.default_rng(0)
        self._wires: dict[str, ClientConnection] = {}  # source -> its newest connection
        self._words = FeedNotices(self.frame_counts, clock=clock, tell=tell)
        tokens = self._table.sorted_tokens
        if tokens[:1] == [0]:
            raise DataError("an instrument of the universe has no Kite token")
        self._shares = _chunks(tokens, settings.tokens_per_connection) or [[]]
        if len(self._shares) > TICKER_CONNECTIONS:
            raise DataError(
                f"{len(tokens)} instruments need {len(self._shares)} ticker connections;"
                f" Kite allows {TICKER_CONNECTIONS}"
            )

    @property
    def source_names(self) -> tuple[str, ...]:
        """Return the source names of the messages, one per connection."""
        n = len(self._shares)
        return ("kite",) if n == 1 else tuple(f"kite-{i}" for i in range(1, n + 1))

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Return the counts of received but unusable data since the start, by kind, without the zeros."""
        return {name: n for name in (*DROPPED_KINDS, "untimed") if (n := getattr(self.frame_counts, name))}

    async def run(self, on_market: OnMarket, on_order: OnOrder) -> None:
        """Connect, subscribe, deliver and reconnect for ever, even when Kite refuses us.

        Only the account id route (`fetch_account_id`) decides whether the login is valid.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for source, tokens in zip(self.source_names, self._shares, strict=True):
                    group.create_task(self._keep(source, tokens, on_market, on_order), name=f"feed {source}")
                group.create_task(self._words.watch_dropped(), name="feed words")
        except BaseExceptionGroup as several:
            raise _first_leaf(several) from None

    async def _keep(self, source: str, tokens: list[int], on_market: OnMarket, on_order: OnOrder) -> None:
        clock = self._clock

        async def session(up: Callable[[], None]) -> None:
            await self._session(source, tokens, up, on_market, on_order)

        await run_with_reconnect(
            session,
            lambda: on_market(LinkUp(source=source, mono=clock.monotonic_ns())),
            lambda reason: on_market(LinkDown(source=source, mono=clock.monotonic_ns(), reason=reason)),
            clock=clock,
            rng=self._rng,
            backoff=self._settings.backoff,
            keys_version=lambda: self._credentials.version,
        )

    async def _session(
        self, source: str, tokens: list[int], up: Callable[[], None], on_market: OnMarket, on_order: OnOrder
    ) -> None:
        is_up = False

        def on_frame(frame: str | bytes) -> None:
            nonlocal is_up
            if not is_up:  # only a received frame proves that the connection works
                is_up = True
                up()
            if isinstance(frame, str):
                self._text(frame, on_order)
            else:
                self._binary(frame, source, on_market)

        try:
            async with self._connect() as wire:
                _shrink_receive_buffer(wire)
                await self._subscribe(wire, tokens)
                self._wires[source] = wire
                await read_frames(wire.recv, on_frame, silent_after_s=self._settings.silent_after_s, clock=self._clock)
        except InvalidStatus as error:
            raise _refusal(error.response.status_code, error.response.headers.get("Retry-After", "")) from None
        # A close frame holds text from the other side, and the URL of our request holds the token.
        except WebSocketException as error:
            raise LinkLost(f"the ticker connection broke: {self._credentials.redactor.mask_text(error)}") from None
        except (OSError, EOFError) as error:  # TimeoutError among them
            raise LinkLost(
                f"the ticker cannot be reached: {self._credentials.redactor.mask_text(_plain(error))}"
            ) from None

    async def _subscribe(self, wire: ClientConnection, tokens: list[int]) -> None:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            for some in _chunks(tokens, TOKENS_PER_SUBSCRIBE):
                await wire.send(render_subscribe(some))
                await wire.send(render_mode(self._settings.mode, some))

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Subscribe again to these instrument ids of the universe. Has no effect while the stream is down."""
        wanted = set(ids)
        for source, share in zip(self.source_names, self._shares, strict=True):
            tokens, wire = [token for token in share if self._table.ids[token] in wanted], self._wires.get(source)
            if tokens and wire is not None:
                with suppress(WebSocketException, OSError, TimeoutError):  # the connection's own task handles it
                    await self._subscribe(wire, tokens)

    def _connect(self) -> _NoRedirectConnect:
        keys = {name: self._credentials[name] for name in ("api_key", "access_token")}
        return _NoRedirectConnect(
            _address(self._url, keys),
            compression=None,
            proxy=None,
            ssl=trusted_ssl_context(self._ca_bundle) if self._url.startswith("wss:") else None,
            max_size=MAX_FRAME_BYTES,
            user_agent_header=f"tradebot/{__version__}",
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            # `read_frames` is the watchdog. Pings only keep network devices from dropping an idle connection.
            ping_interval=20.0,
            ping_timeout=None,
        )

    def _text(self, frame: str, on_order: OnOrder) -> None:
        self.frame_counts.texts += 1
        try:
            content = parse_text(self._credentials.redactor.mask_text(frame))
        except WireError as error:
            self.frame_counts.malformed_texts += 1
            self._words.note_malformed(str(error))
            return
        if isinstance(content, VenueOrder):
            on_order(content)
        else:
            self._words.report_notice(content.kind, content.text)

    def _binary(self, frame: bytes, source: str, on_market: OnMarket) -> None:
        clock = self._clock
        # In full mode every packet carries its time. Only the first packets after subscribing, before the mode is set,
        # carry none, and their prices are from an unknown earlier time.
        now = NO_TIME if self._settings.mode == "full" else clock.market_ns()
        quotes = parse_frame(
            frame, self._table, seen_at=clock.monotonic_ns(), now=now, source=source, counts=self.frame_counts
        )
        if quotes is None:
            return
        # NO_TIME is unambiguous: no time on the wire is below zero.
        if now == NO_TIME and (quotes.sent_at.item(0) if len(quotes) == 1 else quotes.sent_at.min()) == NO_TIME:
            untimed = quotes.sent_at == NO_TIME
            self.frame_counts.untimed += int(untimed.sum())
            if untimed.all():
                return
            quotes = quotes.select_rows(~untimed)
        on_market(quotes)


def _shrink_receive_buffer(connection: ClientConnection) -> None:
    wire = connection.transport.get_extra_info("socket")
    if wire is not None:  # a simulation has no socket
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


class _NoRedirectConnect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc  # following a redirect would send the access token to another address


def _refusal(status: int, retry_after: str) -> LinkLost:
    if status in (401, 403):
        return LinkLost(f"Kite refuses the ticker (HTTP {status}): the login, the plan, or a gateway between")
    if status == 429:
        after_s = float(retry_after) if re.fullmatch(r"\d{1,4}", retry_after) else None  # the date form is ignored
        return Throttled("Kite refuses the ticker (HTTP 429): too many connections", after_s=after_s)
    return LinkLost(f"Kite refuses the ticker (HTTP {status})")


def _address(url: str, query: Mapping[str, str]) -> str:
    if url.count("/") < 3:
        url += "/"
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _chunks(tokens: list[int], size: int) -> list[list[int]]:
    return [tokens[i : i + size] for i in range(0, len(tokens), size)]


def _plain(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _first_leaf(error: BaseException) -> BaseException:
    return _first_leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
