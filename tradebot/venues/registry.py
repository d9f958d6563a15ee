"""The venues that this house has: a room by its name. Nothing else chooses between venues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tradebot.venues.kite.room import ROOM as FIRST
from tradebot.venues.room import Room

_ROOMS: dict[str, Room] = {FIRST.name: FIRST}


def rooms() -> tuple[Room, ...]:
    """Return every room, in the order of their coming."""
    return tuple(_ROOMS.values())


def room_of(name: str) -> Room | None:
    """Return the room of a name, None for a name that no venue has."""
    return _ROOMS.get(name)


def spoken(printed: Mapping[str, Any]) -> Room:
    """Return the room whose protocol a running exchange speaks, by what it printed. Raises KeyError for none."""
    for name, room in _ROOMS.items():
        if name in printed:
            return room
    raise KeyError(f"no venue of {', '.join(map(str, printed))} is known; there are {', '.join(_ROOMS)}")


def first() -> Room:
    """Return the room whose protocol the simulated exchange speaks where no other one is named."""
    return next(iter(_ROOMS.values()))


def add(room: Room) -> None:
    """Take in one more venue. Raises ValueError for a name that is taken."""
    if room.name in _ROOMS:
        raise ValueError(f"there is a venue called {room.name} already")
    _ROOMS[room.name] = room


@contextmanager
def having(room: Room) -> Iterator[None]:
    """Have one more venue for a while."""
    add(room)
    try:
        yield
    finally:
        del _ROOMS[room.name]
