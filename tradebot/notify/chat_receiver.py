"""Alerts to the chat: a receiver that sends each message with the bot."""

from __future__ import annotations

from tradebot.notify.alert_text import AlertMessage
from tradebot.notify.bot_api import BotApi, BotRefused, ChatUnreachable
from tradebot.notify.receiver import NotDelivered


class ChatReceiver:
    """The chat `chat_id` of a bot as a receiver of alerts."""

    name = "telegram"

    def __init__(self, bot: BotApi, chat_id: int) -> None:
        self._bot, self._chat_id = bot, chat_id

    async def deliver_message(self, message: AlertMessage) -> None:
        """Send a message to the chat. Raises NotDelivered."""
        try:
            await self._bot.send_text(self._chat_id, f"{message.title}\n{message.body}".rstrip())
        except ChatUnreachable as error:
            raise NotDelivered(str(error), retry_after_s=error.retry_after_s) from error
        except BotRefused as error:
            raise NotDelivered(str(error)) from error
