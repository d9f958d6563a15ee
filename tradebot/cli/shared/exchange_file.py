"""Reads the file that holds the line printed by a running `tradebot exchange`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tradebot.daemon.venue.order_route import SimulatedRoute
from tradebot.errors import DataError
from tradebot.venues import registry


def read_addresses(path: Path) -> dict[str, Any]:
    """Return the JSON that `tradebot exchange` printed into the file; all its addresses are loopback.

    Raises DataError for any other file, ConfigError for addresses of another machine.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
        adapter = registry.adapter_of_printed(found)
        missing = (
            adapter.entry_names - found[adapter.name].keys() or {"market", "monotonic", "speed"} - found["clock"].keys()
        )
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise DataError(f"{path} is not the line of JSON that `tradebot exchange` prints") from error
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(sorted(missing))}; it should be the line that `tradebot exchange` prints"
        )
    SimulatedRoute.from_printed(adapter, found)
    return found
