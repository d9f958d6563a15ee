"""The venues that this house has: a room by its name. Nothing else chooses between venues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tradebot.venues.adapter import VenueAdapter
from tradebot.venues.kite.adapter import ADAPTER as FIRST

_ADAPTERS: dict[str, VenueAdapter] = {FIRST.name: FIRST}


def all_adapters() -> tuple[VenueAdapter, ...]:
    """Return every room, in the order of their coming."""
    return tuple(_ADAPTERS.values())


def find_adapter(name: str) -> VenueAdapter | None:
    """Return the room of a name, None for a name that no venue has."""
    return _ADAPTERS.get(name)


def adapter_of_printed(printed: Mapping[str, Any]) -> VenueAdapter:
    """Return the room whose protocol a running exchange speaks, by what it printed. Raises KeyError for none."""
    for name, room in _ADAPTERS.items():
        if name in printed:
            return room
    raise KeyError(f"no venue of {', '.join(map(str, printed))} is known; there are {', '.join(_ADAPTERS)}")


def default_adapter() -> VenueAdapter:
    """Return the room whose protocol the simulated exchange speaks where no other one is named."""
    return next(iter(_ADAPTERS.values()))


def register_adapter(adapter: VenueAdapter) -> None:
    """Take in one more venue. Raises ValueError for a name that is taken."""
    if adapter.name in _ADAPTERS:
        raise ValueError(f"there is a venue called {adapter.name} already")
    _ADAPTERS[adapter.name] = adapter


@contextmanager
def temporarily_registered(adapter: VenueAdapter) -> Iterator[None]:
    """Have one more venue for a while."""
    register_adapter(adapter)
    try:
        yield
    finally:
        del _ADAPTERS[adapter.name]
