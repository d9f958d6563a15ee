"""The client of the stream of events, for the command line: each event as it comes, until the daemon ends it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.control.api_paths import EVENTS_PATH
from tradebot.control.client import HINT, SocketConnection
from tradebot.control.socket_address import socket_path
from tradebot.errors import DaemonUnavailable, RequestRefused

SILENCE_S = 40.0  # the daemon sends something every 15 s
MAX_LINE_BYTES = 1 << 20


class StreamedEvent(NamedTuple):
    """An event of the stream: its id, by which a later stream goes on after it, and its line."""

    id: str
    line: dict[str, Any]


def follow_events(state_dir: Path, *, after: str = "") -> Iterator[StreamedEvent]:
    """Yield the events of the daemon of `state_dir`: from now on, or those after the event with the id `after`.

    Ends when the daemon ends the stream. Raises DaemonUnavailable without a daemon or a sign of life, RequestRefused.
    """
    try:
        with socket_path(state_dir) as address:
            connection = SocketConnection(address, timeout_s=SILENCE_S)
            try:
                connection.request("GET", EVENTS_PATH, headers={"Last-Event-ID": after} if after else {})
                response = connection.getresponse()
                if response.status != 200:
                    answer = json.loads(response.read(MAX_LINE_BYTES))
                    raise RequestRefused(str(answer.get("error") or f"the daemon answered {response.status}"))
                yield from _events(response)
            finally:
                connection.close()
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise DaemonUnavailable(f"no daemon runs on {state_dir}; {HINT}") from error
    except TimeoutError as error:
        raise DaemonUnavailable(f"the daemon on {state_dir} has been silent for {SILENCE_S:g} s; {HINT}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DaemonUnavailable(f"the daemon on {state_dir} ended the stream: {error}") from error


def _events(response: http.client.HTTPResponse) -> Iterator[StreamedEvent]:
    id_, data = "", ""
    while raw := response.readline(MAX_LINE_BYTES):
        name, _, value = raw.decode().rstrip("\n").partition(": ")
        if name == "id":
            id_ = value
        elif name == "data":
            data = value
        elif not name and not value and data:
            yield StreamedEvent(id_, json.loads(data))
            data = ""
