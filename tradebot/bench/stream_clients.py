"""The process of the tick stream benchmark in which the clients take turns, each asked for by name."""

from __future__ import annotations

from multiprocessing.connection import Connection

import uvloop

from tradebot.bench.stream_daemon import tradebot_binary, tradebot_json
from tradebot.bench.stream_plain import numpy_binary, plain_binary, plain_json, socket_binary, socket_json
from tradebot.bench.stream_run import Ask, Timer

# name -> face of the server -> the client that reads it
CLIENTS = {
    "tradebot, to bars": {"binary": tradebot_binary, "json": tradebot_json},
    "plain": {"binary": plain_binary, "json": plain_json},
    "socket alone": {"binary": socket_binary, "json": socket_json},
    "numpy, no socket": {"binary": numpy_binary},
}


def serve(pipe: Connection) -> None:
    """Run what is asked for until the pipe is closed."""
    while True:
        try:
            ask: Ask = pipe.recv()
        except EOFError:
            return
        name, _, face = ask.client.rpartition("/")
        pipe.send(uvloop.run(CLIENTS[name][face](ask, Timer())))
