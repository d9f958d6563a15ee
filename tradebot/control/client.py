"""The client of the control socket, for the command line: one request, one answer, an error sentence without one."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from tradebot.control.socket_address import socket_path
from tradebot.errors import DaemonUnavailable, RequestRefused

ANSWER_TIMEOUT_S = 7.0  # the daemon gives a request 5 s
MAX_ANSWER_BYTES = 16 << 20  # bytes
MAX_TRIES = 4  # tries of a request whose connection the daemon closed to make room
HINT = "`tradebot kill` works without a daemon"


class SocketConnection(http.client.HTTPConnection):
    """An HTTP connection to the Unix socket at `path`; each wait on it takes at most `timeout_s`."""

    def __init__(self, path: str, *, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the Unix socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def send_request(state_dir: Path, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Send a request to the daemon of `state_dir` and return its answer.

    Raises DaemonUnavailable if no answer comes in time or the daemon confirms nothing, RequestRefused if it refuses.
    """
    try:
        with socket_path(state_dir) as address:
            status, answer = _request_with_retry(address, method, path, body)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise DaemonUnavailable(f"no daemon runs on {state_dir}; {HINT}") from error
    except TimeoutError as error:
        later = "" if method == "GET" else "; what was asked may still take effect when it goes on"
        told = f"the daemon on {state_dir} did not answer within {ANSWER_TIMEOUT_S:g} s{later}; {HINT}"
        raise DaemonUnavailable(told) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DaemonUnavailable(f"the daemon on {state_dir} cannot be asked: {error}; {HINT}") from error
    if status == 200:
        return answer
    sentence = str(answer.get("error") or f"the daemon answered {status}")
    raise RequestRefused(sentence) if status < 500 else DaemonUnavailable(sentence)


def _request_with_retry(
    address: str, method: str, path: str, body: dict[str, Any] | None
) -> tuple[int, dict[str, Any]]:
    # Among many slow clients the daemon may close a connection before it reads it. A request that was not sent whole
    # was not carried out, and a GET may be sent twice.
    pushed_out = (BrokenPipeError, ConnectionResetError) if method == "GET" else (BrokenPipeError,)
    for _ in range(MAX_TRIES - 1):
        with suppress(*pushed_out):
            return _exchange(address, method, path, body)
    return _exchange(address, method, path, body)


def _exchange(address: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
    connection = SocketConnection(address, timeout_s=ANSWER_TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        response = connection.getresponse()
        answer = json.loads(response.read(MAX_ANSWER_BYTES))
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise ValueError("the answer is not a JSON object")
    return response.status, answer
