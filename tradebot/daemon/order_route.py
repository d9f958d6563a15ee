"""Where an order may go: an exchange on this machine in every mode, a real venue in live mode alone; for the ground.

The ground builds a venue with order routes from one of two values only: `Simulated`, whose addresses are all of this
machine, or `RealMoney`, which a paper run cannot make.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from tradebot.config import Config
from tradebot.domain.message import Message
from tradebot.errors import ConfigError

NO_PAPER_AT_VENUE = (
    "is kite, but app.mode is paper, and paper trading on live quotes does not exist yet: no order would be a paper"
    ' order there; say venue.name = "embedded", or app.mode = "live" to trade real money'
)


class Access(Message, frozen=True):
    """Two addresses and the keys that they want."""

    rest: str
    ticker: str
    api_key: str
    access_token: str
    ca_bundle: str = ""


class Simulated(Access, frozen=True):
    """An exchange on this machine, whatever the mode. Raises ConfigError for an address of another machine."""

    def __post_init__(self) -> None:
        for address in (self.rest, self.ticker):
            _on_this_machine(address)

    @classmethod
    def of(cls, exchange: dict[str, Any]) -> Self:
        """Return the access that a running exchange printed; raises for every address in it that is not loopback."""
        for text in _texts(exchange):
            if "://" in text:
                _on_this_machine(text)
        return _access(cls, exchange["kite"])


class RealMoney(Access, frozen=True):
    """A real venue with the operator's own keys; see `of`."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return the access to Kite of a live run. Raises ConfigError in every other mode."""
        if config.app.mode != "live":
            raise ConfigError(f"venue.name: {NO_PAPER_AT_VENUE}")
        return _access(cls, _keys(config))


OrderRoute = Simulated | RealMoney
Kind = TypeVar("Kind", bound=Access)


def kite_access(config: Config) -> Access:
    """Return the access to Kite to read from it, in either mode."""
    return _access(Access, _keys(config))


def is_loopback(address: str) -> bool:
    """True for an address (http, https, ws, wss) of this machine, written so that no two readers can differ over it."""
    try:
        host = urlsplit(address).hostname or ""
        return not set("@\\ ") & set(address) and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def _on_this_machine(address: str) -> None:
    if not is_loopback(address):
        raise ConfigError(
            f"the exchange's address {address[:200]!r} is not of this machine: orders of a rehearsal may go to loopback"
            " (127.0.0.1, ::1, localhost) alone; a real venue is named by venue.name, in live mode"
        )


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _keys(config: Config) -> dict[str, str]:
    kite = config.kite
    if not (kite.rest.startswith("https://") and kite.ticker.startswith("wss://")):
        raise ConfigError("kite.rest and kite.ticker must be encrypted (https, wss): the keys leave with every request")
    return {
        "rest": kite.rest,
        "ticker": kite.ticker,
        "api_key": kite.api_key.get_secret_value(),
        "access_token": kite.access_token.get_secret_value(),
        "ca_bundle": kite.ca_bundle,
    }


def _access(kind: type[Kind], keys: dict[str, Any]) -> Kind:
    names = ("rest", "ticker", "api_key", "access_token")
    return kind(ca_bundle=keys.get("ca_bundle", ""), **{name: str(keys[name]) for name in names})
