"""The places that orders may go to: an exchange on this machine in every mode, a real venue only in live mode.

`venue_session.py` builds a venue that can send orders from one of two types only: `SimulatedRoute`, whose addresses are
all on this machine, or `LiveRoute`, which a paper run cannot create. A paper run at a real venue has no route: its
venue is built for reading (`daemon/venue/paper_session.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, TypeVar

from tradebot.config import Config
from tradebot.errors import ConfigError
from tradebot.venues.adapter import VenueAccess, VenueAdapter, is_loopback


class SimulatedRoute(VenueAccess, frozen=True):
    """The access to an exchange on this machine, in any mode. Raises ConfigError for an address of another machine."""

    def __post_init__(self) -> None:
        for address in self.addresses.values():
            _on_this_machine(address)

    @classmethod
    def from_printed(cls, adapter: VenueAdapter, exchange: dict[str, Any]) -> Self:
        """Return the access that a running exchange printed. Raises ConfigError for an address that is not loopback."""
        for text in _texts(exchange):
            if "://" in text:
                _on_this_machine(text)
        return _as(cls, adapter.access_from_entry(exchange[adapter.name]))


class LiveRoute(VenueAccess, frozen=True):
    """The access to a real venue with the operator's keys; see `from_config`."""

    @classmethod
    def from_config(cls, adapter: VenueAdapter, config: Config) -> Self:
        """Return the access to the venue of a live run. Raises ConfigError in every other mode."""
        if config.app.mode != "live":
            raise ConfigError(f"app.mode is {config.app.mode}: no order of this run may go to {adapter.name}")
        return _as(cls, adapter.access_from_settings(config.venue_section(adapter)))


OrderRoute = SimulatedRoute | LiveRoute
Route = TypeVar("Route", bound=VenueAccess)


def _as(kind: type[Route], access: VenueAccess) -> Route:
    return kind(
        addresses=access.addresses,
        credentials=access.credentials,
        ca_bundle=access.ca_bundle,
        bind_address=access.bind_address,
    )


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
