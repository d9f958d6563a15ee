"""A warm process that runs `tradebot` for the shell: all is imported once, each command is a fork of it.

    python warm.py SOCKET JSON

Times of runs that a reader would watch are cut short: JSON maps a verb to the options that are put in.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import signal
import socket
import sys
import traceback

# What the verbs import late, so that no fork pays for it.
import tradebot.app
import tradebot.backtest.honesty_checks
import tradebot.cli.backtest.backtest
import tradebot.cli.control.flatten
import tradebot.cli.control.halt
import tradebot.cli.control.kill
import tradebot.cli.control.status
import tradebot.cli.data.data
import tradebot.cli.db
import tradebot.cli.exchange
import tradebot.cli.journal.bars
import tradebot.cli.journal.orders
import tradebot.cli.journal.positions
import tradebot.cli.journal.trades
import tradebot.cli.journal.verify
import tradebot.cli.journal.why
import tradebot.cli.run.run
import tradebot.cli.simulate
import tradebot.cli.sweep.sweep  # noqa: F401
from tradebot.__main__ import run_command_line

# Speaks to it: hands over its own standard streams, passes signals on, ends with the exit code.
CLIENT = """#!{python} -ISs
import os, signal, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
asked = repr((sys.argv[1:], os.getcwd(), dict(os.environ))).encode()
socket.send_fds(line, [len(asked).to_bytes(4, "big")], [0, 1, 2])
line.sendall(asked)
pid = int.from_bytes(line.recv(4), "big")
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
code = line.recv(1)
os._exit(code[0] if code else 70)
"""


def answer(line: socket.socket, shorter: dict[str, list[str]]) -> None:
    """Fork the command that a client asks for, and tell its pid and then its exit code."""
    size, streams, _, _ = socket.recv_fds(line, 4, 3)
    asked = b""
    while len(asked) < int.from_bytes(size, "big"):
        asked += line.recv(1 << 16)
    args, folder, environment = ast.literal_eval(asked.decode())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        command(args + ([] if "FOR_GOOD" in environment else added(args, shorter)), folder, environment, streams)
    for stream in streams:
        os.close(stream)
    line.sendall(pid.to_bytes(4, "big"))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    line.sendall(bytes([code % 256]))


def added(args: list[str], shorter: dict[str, list[str]]) -> list[str]:
    """Return what is put behind a command; of an option that stands twice the last one counts."""
    verbs = [verb for verb in shorter if args[: len(verb.split())] == verb.split()]
    return shorter[max(verbs, key=len)] if verbs and "list" not in args else []


def command(args: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> None:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 256)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        code = run_command_line(args)
        sys.stdout.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    address, shorter = sys.argv[1], json.loads(sys.argv[2])
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    gc.collect()
    gc.freeze()
    os.write(1, b"warm\n")
    while True:
        line, _ = listening.accept()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if not os.fork():
            listening.close()
            try:
                answer(line, shorter)
            finally:
                os._exit(0)
        line.close()


if __name__ == "__main__":
    main()
