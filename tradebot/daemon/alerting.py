"""What reaches a person during a run: alerts, heartbeat and chat, opened as the settings say, outside of trading."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from tradebot.clock import Clock
from tradebot.config import Config
from tradebot.config.known_secrets import known_secrets
from tradebot.config.notify_sections import NotifySection
from tradebot.control.control_apis import ControlApis
from tradebot.daemon.chat_operator import ChatOperator
from tradebot.markets.market import HOME_MARKET, Market
from tradebot.notify.alert_choice import AlertChoice
from tradebot.notify.alert_desk import AlertDesk, Work, running_beside
from tradebot.notify.alert_pace import PaceSettings
from tradebot.notify.alert_sender import AlertSender
from tradebot.notify.alert_text import AlertWriter
from tradebot.notify.apprise_receiver import create_receivers, split_addresses
from tradebot.notify.bot_api import BotApi
from tradebot.notify.chat import Chat, ChatTerms
from tradebot.notify.chat_commands import ChatCommands
from tradebot.notify.chat_offset import ChatOffset
from tradebot.notify.chat_receiver import ChatReceiver
from tradebot.notify.heartbeat import Heartbeat
from tradebot.notify.receiver import Receiver
from tradebot.ops.events.bus import EventBus
from tradebot.ops.redaction import Redactor


class Alerting:
    """The parts that a run adds to as it comes up; without a receiver, heartbeat or chat it does nothing.

    `stall_reason` returns what makes no progress. While it is None the run is starting, and no heartbeat is due unless
    the start waits for a person (`needs_login`).
    """

    def __init__(self, writer: AlertWriter | None = None, desk: AlertDesk | None = None) -> None:
        self._writer, self._desk = writer, desk
        self.apis: ControlApis | None = None
        self.stall_reason: Callable[[], str] | None = None
        self.needs_login: Callable[[], bool] = lambda: False

    def follow_market(self, clock: Clock, market: Market) -> None:
        """Show the market's time beside each alert from now on."""
        if self._writer is not None:
            self._writer.zone, self._writer.zone_name = market.tzinfo, market.clock_name
        if self._desk is not None:
            self._desk.market_ns = clock.market_ns

    def change_settings(self, settings: NotifySection) -> None:
        """Choose and pace the alerts by `settings` from now on; what waits to be sent stays."""
        if self._desk is not None:
            self._desk.change_settings(_choice_of(settings), _pace_of(settings))

    def current_stall(self) -> str | None:
        """Return what makes no progress, "" while the run lives, None in a start."""
        if self.stall_reason is not None:
            return self.stall_reason()
        return "" if self.needs_login() else None


@asynccontextmanager
async def open_alerting(config: Config, bus: EventBus, *, clock: Clock, mode: str) -> AsyncIterator[Alerting]:
    """Open alerts, heartbeat and chat as the settings say; at the end what waits is sent within a few seconds."""
    notify, telegram = config.notify, config.telegram
    token, heartbeat = telegram.token.get_secret_value(), notify.heartbeat_url.get_secret_value()
    if not (token or heartbeat or notify.urls.get_secret_value()):
        yield Alerting()
        return
    tell = bus.emit_event
    writer = alert_writer(config, mode)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        bot = BotApi(http, server=telegram.server, token=token) if token else None
        receivers = await find_receivers(config, bot)
        pace = _pace_of(notify)
        senders = [AlertSender(one, pace, writer, clock=clock, tell=tell) for one in receivers]
        desk = AlertDesk(_choice_of(notify), senders, clock.market_ns)
        await stack.enter_async_context(desk.sending(tell))
        bus.subscribe(desk.take_event)
        alerting = Alerting(writer, desk)
        works: dict[str, Work] = {}
        if heartbeat:
            beats = Heartbeat(http, heartbeat, stall_reason=alerting.current_stall, clock=clock, tell=tell)
            works["heartbeat"] = beats.send_heartbeats
        if bot is not None and telegram.commands:
            offset = ChatOffset(config.app.state_dir, token, clock=clock, tell=tell)
            operator = ChatOperator(lambda: alerting.apis)
            commands = ChatCommands(operator, clock=clock, draw_code=secrets.randbelow)
            terms = ChatTerms(telegram.chat_id, offset.read_offset, offset.keep_offset, writer.clean_text)
            works["chat"] = Chat(bot, commands, terms, clock=clock, tell=tell).answer_chat
        await stack.enter_async_context(running_beside(works, tell))
        yield alerting


def _choice_of(settings: NotifySection) -> AlertChoice:
    return AlertChoice(settings.level, frozenset(settings.add), frozenset(settings.leave_out), settings.summary)


def _pace_of(settings: NotifySection) -> PaceSettings:
    return PaceSettings(settings.window_s, settings.longest_s, settings.warnings_per_hour)


def alert_writer(config: Config, mode: str) -> AlertWriter:
    """Return what writes messages of this configuration: `mode` first, its secrets masked."""
    redact = Redactor(known_secrets(config))
    return AlertWriter(mode, zone=HOME_MARKET.tzinfo, zone_name=HOME_MARKET.clock_name, redact=redact)


async def find_receivers(config: Config, bot: BotApi | None) -> list[Receiver]:
    """Return the receivers of alerts: every address of notify.urls, and the chat of `bot`."""
    addresses = split_addresses(config.notify.urls.get_secret_value())
    found: list[Receiver] = list(await asyncio.to_thread(create_receivers, addresses)) if addresses else []
    if bot is not None and config.telegram.alerts:
        found.append(ChatReceiver(bot, config.telegram.chat_id))
    return found


def has_receiver(config: Config) -> bool:
    """Return whether alerts have somewhere to go."""
    telegram = config.telegram
    return bool(config.notify.urls.get_secret_value() or (telegram.token.get_secret_value() and telegram.alerts))
