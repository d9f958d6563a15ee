"""A start with its control socket in a thread, and a browser in another one, for verbs that run a loop of their own."""

from __future__ import annotations

import http.client
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

from tests.control.start_rig import REDIRECT, StartRig, listening_start
from tests.in_thread import in_thread


def start_in_thread(
    folder: Path, *, redirect: str = REDIRECT, has_login: bool = True
) -> AbstractContextManager[StartRig]:
    """Serve the control socket of a start while the context is open."""
    return in_thread(listening_start(folder, redirect=redirect, has_login=has_login), "start")


class Browser:
    """Comes back to the redirect address once something listens there, as often as `queries` says."""

    def __init__(self, redirect: str, *queries: str) -> None:
        self.answers: list[tuple[int, str]] = []
        self.opened: list[str] = []
        self._redirect, self._queries = urlsplit(redirect), queries
        self._thread = threading.Thread(target=self._come_back, name="browser")

    def open(self, address: str) -> bool:
        """Open a link, in the place of `webbrowser.open`."""
        self.opened.append(address)
        self.start()
        return True

    def start(self) -> None:
        """Come back without being opened from here."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until it came back."""
        self._thread.join(10)

    def _come_back(self) -> None:
        for query in self._queries:
            self.answers.append(self._get(query))

    def _get(self, query: str) -> tuple[int, str]:
        give_up = threading.Event()
        for _ in range(500):
            connection = http.client.HTTPConnection("127.0.0.1", self._redirect.port or 80, timeout=10)
            try:
                connection.request("GET", f"{self._redirect.path}?{query}")
                response = connection.getresponse()
                return response.status, response.read().decode()
            except ConnectionRefusedError:
                give_up.wait(0.01)
            finally:
                connection.close()
        return 0, "nothing listens"
