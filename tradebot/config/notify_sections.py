"""The config sections about what reaches a person: alerts, heartbeat, chat; part of `sections`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from tradebot.config.values import Number, Whole, split_list
from tradebot.section import HttpAddress, Section

EventNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]


def _addresses(text: SecretStr) -> SecretStr:
    for number, one in enumerate(text.get_secret_value().split(), 1):
        if not re.match(r"[A-Za-z0-9]+://\S", one):
            raise ValueError(
                f"should hold addresses such as tgram://TOKEN/CHAT, spaces between; number {number} is none"
            )
    return text


def _one_address(text: SecretStr) -> SecretStr:
    if text.get_secret_value() and not re.fullmatch(r"https?://[^\s/]\S*", text.get_secret_value()):
        raise ValueError("should be an address that starts with https:// or http://")
    return text


def _listed_addresses(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


class NotifySection(Section):
    """What reaches a person who is not at the machine; `tradebot notify test` tries it. Needs tradebot[notify]."""

    urls: Annotated[SecretStr, BeforeValidator(_listed_addresses), AfterValidator(_addresses)] = Field(
        default=SecretStr(""),
        description="apprise addresses, spaces between; credential file notify__urls, or TRADEBOT_NOTIFY__URLS",
    )
    level: Literal["info", "warning", "error", "critical"] = Field(
        default="error", description="events of this level and above become alerts"
    )
    add: EventNames = Field(default=(), description='further events, as in `tradebot events`: ["order_rejected"]')
    leave_out: EventNames = Field(default=(), description="events that never become alerts")
    window_s: Annotated[Number, Field(ge=1, le=3600)] = Field(
        default=30.0, description="the first alert leaves at once, what follows within this is one message"
    )
    longest_s: Annotated[Number, Field(ge=1, le=21_600)] = Field(
        default=1800.0, description="to this the time between messages grows while the same trouble lasts"
    )
    warnings_per_hour: Annotated[Whole, Field(ge=1, le=60)] = Field(
        default=6, description="messages without an error; what is above waits and is merged, as errors are"
    )
    summary: bool = Field(default=True, description="the day's figures after the close")
    heartbeat_url: Annotated[SecretStr, AfterValidator(_one_address)] = Field(
        default=SecretStr(""), description="one GET a minute while the engine lives; credential file too"
    )


class TelegramSection(Section):
    """A chat that gets the alerts and commands the daemon, with a bot of your own; needs no extra."""

    token: SecretStr = Field(
        default=SecretStr(""), description="of the bot; credential file telegram__token, or TRADEBOT_TELEGRAM__TOKEN"
    )
    chat_id: Whole = Field(default=0, description="the one chat that is listened to; below zero it is a group")
    alerts: bool = Field(default=True, description="send the alerts of [notify] to this chat")
    commands: bool = Field(default=True, description="take /status, /halt, /flatten and others from this chat")
    server: HttpAddress = Field(default="https://api.telegram.org", description="of the Bot API")
