"""The registry of venues: name -> adapter. Nothing else chooses between venues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tradebot.venues.adapter import VenueAdapter
from tradebot.venues.kite.adapter import ADAPTER as FIRST

_ADAPTERS: dict[str, VenueAdapter] = {FIRST.name: FIRST}


def all_adapters() -> tuple[VenueAdapter, ...]:
    """Return every adapter in the order of registration."""
    return tuple(_ADAPTERS.values())


def find_adapter(name: str) -> VenueAdapter | None:
    """Return the adapter of the venue `name`, or None for an unknown name."""
    return _ADAPTERS.get(name)


def adapter_of_printed(printed: Mapping[str, Any]) -> VenueAdapter:
    """Return the adapter for a running exchange, from the entries that it printed. Raises KeyError if none fits."""
    for name, adapter in _ADAPTERS.items():
        if name in printed:
            return adapter
    raise KeyError(f"no venue of {', '.join(map(str, printed))} is known; there are {', '.join(_ADAPTERS)}")


def default_adapter() -> VenueAdapter:
    """Return the adapter whose protocol the simulated exchange uses by default."""
    return next(iter(_ADAPTERS.values()))


def register_adapter(adapter: VenueAdapter) -> None:
    """Register one more venue. Raises ValueError for a name that is already registered."""
    if adapter.name in _ADAPTERS:
        raise ValueError(f"there is a venue called {adapter.name} already")
    _ADAPTERS[adapter.name] = adapter


@contextmanager
def temporarily_registered(adapter: VenueAdapter) -> Iterator[None]:
    """Register one more venue inside the `with` block only."""
    register_adapter(adapter)
    try:
        yield
    finally:
        del _ADAPTERS[adapter.name]
