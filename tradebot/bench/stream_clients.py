"""The process of the tick stream benchmark in which the clients take turns, each asked for by name."""

from __future__ import annotations

from multiprocessing.connection import Connection

import uvloop

from tradebot.bench.stream_daemon import tradebot_json, tradebot_kite
from tradebot.bench.stream_plain import numpy_kite, plain_json, plain_kite, socket_json, socket_kite
from tradebot.bench.stream_run import Ask, Timer

# name -> face of the server -> the client that reads it
CLIENTS = {
    "tradebot, to bars": {"kite": tradebot_kite, "json": tradebot_json},
    "plain": {"kite": plain_kite, "json": plain_json},
    "socket alone": {"kite": socket_kite, "json": socket_json},
    "numpy, no socket": {"kite": numpy_kite},
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
