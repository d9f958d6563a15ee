"""A warm process that forks whole daemons: all is imported, nothing is running. One JSON job a line on stdin.

`{"args": [...], "out": FIFO}` forks `tradebot ARGS` with its standard output in FIFO; the pid comes as one line, and
when the process is gone its wait status as another.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback

# What the verbs import late, so that no fork pays for it.
import tradebot.app
import tradebot.cli.exchange
import tradebot.cli.run.run  # noqa: F401
from tradebot.__main__ import run_command_line


def begin(args: list[str], out: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        pipe = os.open(out, os.O_WRONLY)
        os.dup2(pipe, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.close(pipe)
        code = run_command_line(args)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        job = json.loads(line)
        pid = begin(job["args"], job["out"])
        os.write(1, f"{pid}\n".encode())
        os.write(1, f"{os.waitpid(pid, 0)[1]}\n".encode())


if __name__ == "__main__":
    main()
