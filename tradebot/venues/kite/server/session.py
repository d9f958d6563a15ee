"""The logins of the Kite server: request tokens, the checksum exchange, access tokens and their end each morning."""

from __future__ import annotations

import hashlib
import hmac

from tradebot.clock import HOUR, SECOND, Clock
from tradebot.exchange.access import LoginRecord, token_digest
from tradebot.exchange.event_log import EventLog
from tradebot.markets.market import HOME_MARKET
from tradebot.venues.kite.rules import LOGIN_ENDS
from tradebot.venues.kite.server.wire import KiteError, token_error

EXPIRY_OFFSET_NS = LOGIN_ENDS.hour * HOUR
REQUEST_TOKEN_LIFE_NS = 300 * SECOND
MAX_REQUEST_TOKENS = 100
BAD_TOKEN = "Incorrect `api_key` or `access_token`."


class LoginSessions:
    """The login state of one app (api_key): at most one access token is valid, and a new login ends the previous one.

    An access token expires at 06:00 IST of the market clock, unless `expires` is False. The first token may be given,
    so that a client in the same process starts without a login. Without one, the token of the `earlier` login of the
    same app holds until its own end. The log gets the digest of each new token, never the token. Tokens are derived
    from the secret, a counter and the market time, so that runs are reproducible and no day repeats another's token.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        api_key: str,
        api_secret: str,
        access_token: str,
        expires: bool = True,
        earlier: LoginRecord | None = None,
        log: EventLog | None = None,
    ) -> None:
        self.api_key = api_key
        self._api_secret = api_secret
        self._clock, self._log = clock, log
        self._expires = expires
        first = token_digest(access_token)
        self._login = LoginRecord(api_key=api_key, token_digest=first, born_at=clock.market_ns())
        if not access_token and earlier is not None and earlier.api_key == api_key:
            self._login = earlier
        self._request_tokens: dict[str, int] = {}  # one-time token -> monotonic ns of its issue
        self._issued = 0
        self.dead_until_mono = 0  # monotonic ns until which no token is valid

    def issue_request_token(self, api_key: str) -> str:
        """Return a new request token, as the browser login does. Raises KiteError for another app's key."""
        if api_key != self.api_key:
            raise KiteError(400, "InputException", "Invalid `api_key`.")
        while len(self._request_tokens) >= MAX_REQUEST_TOKENS:
            del self._request_tokens[next(iter(self._request_tokens))]
        token = self._derive("request")
        self._request_tokens[token] = self._clock.monotonic_ns()
        return token

    def create_session(self, *, api_key: str, request_token: str, checksum: str) -> str:
        """Exchange a request token for a new access token. Raises KiteError if one of the arguments is wrong."""
        issued_at = self._request_tokens.pop(request_token, None)
        if issued_at is None or self._clock.monotonic_ns() - issued_at > REQUEST_TOKEN_LIFE_NS:
            raise token_error("Token is invalid or has expired.")
        expected = hashlib.sha256(f"{self.api_key}{request_token}{self._api_secret}".encode()).hexdigest()
        if api_key != self.api_key or not hmac.compare_digest(checksum.encode(), expected.encode()):
            raise token_error("Invalid `checksum`.")
        access_token = self._derive("access")
        self._set_token(access_token)
        return access_token

    def end_session(self, *, api_key: str, access_token: str) -> None:
        """End the session. Raises KiteError if it is not the valid one."""
        if not self.is_session_valid(api_key, access_token):
            raise token_error(BAD_TOKEN)
        self._set_token("")

    def replace_token(self) -> None:
        """End the session for good by a login from elsewhere, whose token the clients here do not get."""
        self._set_token(self._derive("elsewhere"))

    def check_authorization(self, header: str | None) -> None:
        """Raise KiteError unless `header` is `token api_key:access_token` of a valid session."""
        scheme, _, pair = (header or "").partition(" ")
        api_key, _, access_token = pair.partition(":")
        if scheme != "token" or not self.is_session_valid(api_key, access_token):
            raise token_error(BAD_TOKEN)

    def is_session_valid(self, api_key: str, access_token: str) -> bool:
        """Return True if the access token is the current one and has not ended."""
        if not access_token or api_key != self.api_key:
            return False
        if not hmac.compare_digest(token_digest(access_token), self._login.token_digest):
            return False
        if self._clock.monotonic_ns() < self.dead_until_mono:
            return False
        return not self._expires or _morning(self._clock.market_ns()) == _morning(self._login.born_at)

    def _set_token(self, access_token: str) -> None:
        at, digest = self._clock.market_ns(), token_digest(access_token)
        self._login = LoginRecord(api_key=self.api_key, token_digest=digest, born_at=at)
        if self._log is not None:
            self._log.append_line("login", at=at, api_key=self.api_key, token_digest=digest)

    def _derive(self, purpose: str) -> str:
        self._issued += 1
        text = f"{purpose}:{self._issued}:{self.api_key}:{self._clock.market_ns()}".encode()
        return hmac.new(self._api_secret.encode(), text, hashlib.sha256).hexdigest()[:32]


def _morning(market_ns: int) -> int:
    return HOME_MARKET.day_number(market_ns - EXPIRY_OFFSET_NS)
