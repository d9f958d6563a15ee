"""The section [kite] of config.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from tradebot.section import HttpAddress, Section, StreamAddress
from tradebot.venues.kite.rules import MAX_GTT, REST_URL, TICKER_URL


class KiteSection(Section):
    """Zerodha Kite Connect. Keys belong into credential files or the environment, not here."""

    rest: HttpAddress = Field(
        default=REST_URL, description="address of the HTTP API; of an exchange on this machine: a rehearsal"
    )
    ticker: StreamAddress = Field(default=TICKER_URL, description="address of the stream")
    api_key: SecretStr = Field(
        default=SecretStr(""), description="credential file kite__api_key, or TRADEBOT_KITE__API_KEY"
    )
    api_secret: SecretStr = Field(
        default=SecretStr(""),
        description="credential file kite__api_secret, or TRADEBOT_KITE__API_SECRET; `tradebot login kite` needs it",
    )
    access_token: SecretStr = Field(
        default=SecretStr(""),
        description="today's token of a login made elsewhere, TRADEBOT_KITE__ACCESS_TOKEN; else empty",
    )
    redirect_url: HttpAddress = Field(
        default="http://127.0.0.1:8790/kite",
        description="the redirect URL of your app at developers.kite.trade; `tradebot login kite` waits there",
    )
    account_id: str = Field(default="", max_length=32, description="live refuses to trade any account but this one")
    bind_address: str = Field(
        default="",
        pattern=r"[0-9A-Fa-f.:]*",
        max_length=45,
        description="local IP address that requests leave from, where a machine has several; empty: any",
    )
    expected_address: str = Field(
        default="",
        pattern=r"[0-9A-Fa-f.:]*",
        max_length=45,
        description="the static IP address registered for your app, with which `tradebot doctor` compares; empty: none",
    )
    ca_bundle: str = Field(
        default="", max_length=4096, description="file of certificates to trust; empty: those of the system"
    )
    max_gtt: int = Field(
        default=MAX_GTT,
        ge=1,
        le=1000,
        description="how many GTT orders the account may have active; Zerodha's pages say 250, some others 500",
    )
    mode: Literal["ltp", "quote", "full"] = Field(default="full", description="how much each streamed quote carries")
