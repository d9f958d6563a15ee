"""Delivers one message to every receiver of a configuration, without a daemon."""

from __future__ import annotations

from typing import Any

import aiohttp

from tradebot.config import Config
from tradebot.daemon.alerting import alert_writer, find_receivers, has_receiver
from tradebot.errors import ConfigError
from tradebot.notify.apprise_receiver import address_problems, split_addresses
from tradebot.notify.bot_api import BotApi
from tradebot.notify.receiver import NotDelivered


async def deliver_to_all(config: Config, title: str, body: str) -> list[dict[str, Any]]:
    """Deliver a message to each receiver and return a row for each: `receiver`, `delivered`, `reason`.

    Raises ConfigError where there is no receiver, or one that cannot be reached as it is written.
    """
    if not has_receiver(config):
        raise ConfigError("there is no receiver of alerts: set notify.urls, or telegram.token and telegram.chat_id")
    if problems := address_problems(split_addresses(config.notify.urls.get_secret_value())):
        raise ConfigError("\n".join(f"notify.urls: {sentence}" for sentence in problems), is_list=True)
    writer = alert_writer(config, config.mode_label)
    message = writer.write_message(title, body)
    token = config.telegram.token.get_secret_value()
    rows: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as http:
        bot = BotApi(http, server=config.telegram.server, token=token) if token else None
        for receiver in await find_receivers(config, bot):
            reason = None
            try:
                await receiver.deliver_message(message)
            except NotDelivered as error:
                reason = writer.clean_text(str(error))
            rows.append({"receiver": receiver.name, "delivered": reason is None, "reason": reason})
    return rows
