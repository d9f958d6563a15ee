"""The two calls of Telegram's Bot API: read new messages by long poll, and send one. Nothing else of it is used.

GET  /bot<token>/getUpdates?offset=12&timeout=25&allowed_updates=["message"]
  {"ok": true, "result": [{"update_id": 12, "message": {"date": 1796000000, "chat": {"id": 77}, "text": "/status"}}]}
POST /bot<token>/sendMessage {"chat_id": 77, "text": "..."}
  {"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 5}}
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import aiohttp

from tradebot.clock import SECOND

POLL_S = 25  # seconds that the server holds a poll without a message
ANSWER_WITHIN_S = 10.0
MAX_ANSWER_BYTES = 4 << 20
MAX_TEXT_CHARS = 4_000  # the server takes 4,096
MAX_UPDATES = 100  # of one answer, as the server has it


class ChatMessage(NamedTuple):
    """A message of a chat. `sent_at` is ns UTC by the server's clock; `text` is empty for a picture and the like."""

    update_id: int
    chat_id: int
    sent_at: int
    text: str


class ChatUnreachable(Exception):
    """The server did not answer, or not with what it should; `retry_after_s` is the pause that it asked for."""

    def __init__(self, sentence: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class BotRefused(Exception):
    """The server refuses the bot: a wrong token, or another program that reads its messages."""


class BotApi:
    """One bot at `server`; `token` is a part of every address, so no error here quotes an address."""

    def __init__(self, http: aiohttp.ClientSession, *, server: str, token: str) -> None:
        self._http, self._address = http, f"{server.rstrip('/')}/bot{token}"

    async def fetch_messages(self, offset: int, *, poll_s: float = POLL_S) -> list[ChatMessage]:
        """Return the messages from update `offset` on; wait up to `poll_s` for one.

        Messages without a readable chat have chat 0. Raises ChatUnreachable or BotRefused.
        """
        query = {"offset": str(offset), "timeout": f"{poll_s:.0f}", "allowed_updates": '["message"]'}
        found = await self._call("GET", "getUpdates", within_s=poll_s + ANSWER_WITHIN_S, params=query)
        if not isinstance(found, list):
            raise ChatUnreachable("the list of messages is not a list")
        return [message for one in found[:MAX_UPDATES] if (message := _message_of(one)) is not None]

    async def send_text(self, chat_id: int, text: str) -> None:
        """Send a message of plain text. Raises ChatUnreachable or BotRefused."""
        body = {"chat_id": chat_id, "text": text[:MAX_TEXT_CHARS], "link_preview_options": {"is_disabled": True}}
        await self._call("POST", "sendMessage", within_s=ANSWER_WITHIN_S, json=body)

    async def _call(self, method: str, name: str, *, within_s: float, **given: Any) -> Any:
        timeout = aiohttp.ClientTimeout(total=within_s)
        address = f"{self._address}/{name}"
        try:
            async with self._http.request(method, address, timeout=timeout, allow_redirects=False, **given) as response:
                raw, status = await response.content.read(MAX_ANSWER_BYTES), response.status
                while not response.content.at_eof() and len(raw) < MAX_ANSWER_BYTES:
                    raw += await response.content.read(MAX_ANSWER_BYTES - len(raw))
        except TimeoutError as error:
            raise ChatUnreachable(f"no answer within {within_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Its text may hold the address; the kind of error says enough.
            raise ChatUnreachable(f"the server cannot be reached ({type(error).__name__})") from error
        return _result_of(raw, status)


def _result_of(raw: bytes, status: int) -> Any:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ChatUnreachable(f"the server answered {status}, and not in JSON")
    if answer.get("ok") is True:
        return answer.get("result")
    code, told = answer.get("error_code", status), str(answer.get("description", ""))[:200]
    if code in (401, 404):
        raise BotRefused(f"the server does not know the bot's token: {told}")
    if code == 409:
        raise BotRefused(f"another program reads the bot's messages: {told}")
    wish = answer.get("parameters")
    pause = wish.get("retry_after") if isinstance(wish, dict) else None
    pause_s = float(pause) if isinstance(pause, int | float) and not isinstance(pause, bool) and pause > 0 else 0.0
    raise ChatUnreachable(f"the server answered {code}: {told}", retry_after_s=pause_s)


def _message_of(update: Any) -> ChatMessage | None:
    # An update without a number cannot be confirmed; the server never sends one.
    if not isinstance(update, dict) or not isinstance(number := update.get("update_id"), int):
        return None
    message = update.get("message")
    message = message if isinstance(message, dict) else {}
    chat = message.get("chat")
    chat_id = chat.get("id") if isinstance(chat, dict) else None
    date, text = message.get("date"), message.get("text")
    return ChatMessage(
        update_id=number,
        chat_id=chat_id if isinstance(chat_id, int) else 0,
        sent_at=date * SECOND if isinstance(date, int) else 0,
        text=text if isinstance(text, str) else "",
    )
