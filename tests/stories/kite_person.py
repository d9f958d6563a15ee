"""A person at the simulated broker: logs in by the page in a browser, and looks into the account over REST."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

API_KEY, API_SECRET = "rehearsal1", "secret-of-it"
KEY_OPTIONS = ("--api-key", API_KEY, "--api-secret", API_SECRET)
TIMEOUT_S = 10


class Person:
    """Talks to an exchange with the fixed keys; `token` is the access token of the last login."""

    def __init__(self, rest: str) -> None:
        self.rest, self.token = rest, ""

    def press_login(self) -> tuple[str, str]:
        """Press the button of the login page; return the request token, and the address that the browser is sent to."""
        page_at = f"{self.rest}/connect/login?v=3&api_key={API_KEY}"
        page = _get(urllib.request.Request(page_at, headers={"Accept": "text/html"}))
        form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
        headers = {"Accept": "text/html", "Origin": self.rest}
        pressed = urllib.request.Request(page_at, data=urlencode(form).encode(), headers=headers)
        try:
            with urllib.request.build_opener(_Stay).open(pressed, timeout=TIMEOUT_S) as told:
                (request_token,) = re.findall(r'id="request_token">(\w+)<', told.read().decode())
                return request_token, ""
        except urllib.error.HTTPError as away:
            address = str(away.headers["Location"])
            return parse_qs(urlsplit(address).query)["request_token"][0], address

    def log_in(self) -> str:
        """Press the button of the login page and exchange the request token that it leads to."""
        request_token, _ = self.press_login()
        checksum = hashlib.sha256(f"{API_KEY}{request_token}{API_SECRET}".encode()).hexdigest()
        opened = self.ask("POST", "/session/token", api_key=API_KEY, request_token=request_token, checksum=checksum)
        self.token = opened["data"]["access_token"]
        return str(self.token)

    def ask(self, method: str, path: str, **form: str) -> Any:
        """Return the envelope of an answer, also of a refusal."""
        headers = {"X-Kite-Version": "3", "Authorization": f"token {API_KEY}:{self.token}"}
        body = urlencode(form).encode() if form else None
        request = urllib.request.Request(self.rest + path, method=method, data=body, headers=headers)
        try:
            return json.loads(_get(request))
        except urllib.error.HTTPError as refused:
            return json.loads(refused.read())

    def data(self, path: str) -> Any:
        """Return the data of a successful read."""
        answer = self.ask("GET", path)
        assert answer["status"] == "success", answer
        return answer["data"]


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _get(request: urllib.request.Request) -> str:
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return str(answer.read().decode())
