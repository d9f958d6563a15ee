"""The two calls of the Bot API against a stand-in: messages, errors by their code, dropped lines, and no token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.notify.bot_server import CHAT, TOKEN, BotServer, bot_server
from tradebot.notify.alert_text import AlertMessage
from tradebot.notify.bot_api import BotApi, BotRefused, ChatMessage, ChatUnreachable
from tradebot.notify.chat_receiver import ChatReceiver
from tradebot.notify.receiver import NotDelivered


@asynccontextmanager
async def bot_of(token: str = TOKEN) -> AsyncIterator[tuple[BotServer, BotApi]]:
    async with bot_server() as server, aiohttp.ClientSession() as http:
        yield server, BotApi(http, server=server.address, token=token)


async def test_messages_are_read_from_the_offset_on_and_texts_are_sent() -> None:
    async with bot_of() as (server, bot):
        server.write("/status", date=50)
        server.write(None, date=51, chat=12)
        assert await bot.fetch_messages(0) == [
            ChatMessage(100, CHAT, 50_000_000_000, "/status"), ChatMessage(101, 12, 51_000_000_000, "")
        ]  # fmt: skip
        assert [one.update_id for one in await bot.fetch_messages(101)] == [101]
        assert await bot.fetch_messages(102, poll_s=0) == []
        await bot.send_text(CHAT, "x" * 9_000)
        assert [(chat, len(text)) for chat, text in server.sent] == [(CHAT, 4_000)]


async def test_updates_that_are_not_as_they_should_be_are_no_error() -> None:
    async with bot_of() as (server, bot):
        for update in (5, {}, {"update_id": 7}, {"update_id": 8, "message": {"chat": 3, "date": "x", "text": 5}}):
            server.put_update(update)
        assert [(one.update_id, one.chat_id, one.text) for one in await bot.fetch_messages(0)] == [
            (7, 0, ""),
            (8, 0, ""),
        ]


@pytest.mark.parametrize(
    ("code", "fields", "error", "told"),
    [
        (401, {}, BotRefused, "token"),
        (404, {}, BotRefused, "token"),
        (409, {}, BotRefused, "another program"),
        (429, {"parameters": {"retry_after": 17}}, ChatUnreachable, "429"),
        (429, {"parameters": {"retry_after": "soon"}}, ChatUnreachable, "429"),
        (500, {}, ChatUnreachable, "500"),
        (0, {}, ChatUnreachable, "cannot be reached"),
    ],
)
async def test_each_error_has_its_kind(code: int, fields: dict[str, object], error: type[Exception], told: str) -> None:
    async with bot_of() as (server, bot):
        server.errors.extend(
            [("getUpdates", code, fields), ("getUpdates", code, fields)]
        )  # one that hangs up is repeated
        with pytest.raises(error, match=told) as raised:
            await bot.fetch_messages(0)
        if isinstance(raised.value, ChatUnreachable):
            assert raised.value.retry_after_s == (17 if fields == {"parameters": {"retry_after": 17}} else 0)


async def test_no_error_shows_the_token() -> None:
    async with bot_of(token="9:wrong-canary") as (_, bot):
        with pytest.raises(BotRefused) as refused:
            await bot.send_text(CHAT, "x")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(ChatUnreachable) as dead:
            await BotApi(http, server="http://127.0.0.1:9", token="9:wrong-canary").send_text(CHAT, "x")
    assert str(dead.value) == "the server cannot be reached (ClientConnectorError)"
    assert "canary" not in f"{refused.value} {dead.value}"


async def test_the_chat_is_a_receiver_of_alerts_and_says_how_long_to_wait() -> None:
    async with bot_of() as (server, bot):
        receiver = ChatReceiver(bot, CHAT)
        await receiver.deliver_message(AlertMessage("LIVE: halt", "why"))
        assert server.sent == [(CHAT, "LIVE: halt\nwhy")]
        server.errors.append(("sendMessage", 429, {"parameters": {"retry_after": 9}}))
        with pytest.raises(NotDelivered) as raised:
            await receiver.deliver_message(AlertMessage("LIVE: halt", "why"))
        assert raised.value.retry_after_s == 9
        server.errors.append(("sendMessage", 401, {}))
        with pytest.raises(NotDelivered):
            await receiver.deliver_message(AlertMessage("LIVE: halt", "why"))
