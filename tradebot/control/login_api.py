"""The operator's login at the venue: hands out the link and takes the request token, at a start and in a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tradebot.control.operator_api import BadRequest, check_fields
from tradebot.errors import AccessDenied

MAX_TEXT_LENGTH = 4096  # characters of a redirected address
NO_LOGIN = "this run has no login: its venue is the exchange inside the daemon, or one that was given with --exchange"


class LoginApi:
    """Answers the requests about the login.

    `link` returns what a person needs to log in. `log_in` exchanges the request token in a text. Both are None for a
    run without a login.
    """

    def __init__(self) -> None:
        self.link: Callable[[], dict[str, Any]] | None = None
        self.log_in: Callable[[str], Awaitable[dict[str, Any]]] | None = None

    def current_login(self) -> dict[str, Any]:
        """Return the state of the login and the link. Raises BadRequest."""
        if self.link is None:
            raise BadRequest(NO_LOGIN, status=409)
        try:
            return self.link()
        except AccessDenied as error:
            raise BadRequest(str(error), status=409) from error

    async def login(self, body: dict[str, Any]) -> dict[str, Any]:
        """Exchange the request token in `text` and use the new keys. Raises BadRequest, LinkLost without an answer."""
        check_fields(body, "text")
        text = body.get("text")
        if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT_LENGTH:
            raise BadRequest("text must be the redirected address or the request token")
        if self.log_in is None:
            raise BadRequest(NO_LOGIN, status=409)
        try:
            return await self.log_in(text)
        except AccessDenied as error:
            raise BadRequest(str(error), status=409) from error
