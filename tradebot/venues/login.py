"""How a person logs in at a venue whose access ends each day: a page in the browser, then a token that is exchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tradebot.domain.message import Message
from tradebot.venues.adapter import VenueAccess


class LoginGrant(Message, frozen=True):
    """What a venue answers to a login: `keys` are the renewed credentials by name.

    `consent` is the venue's word on whether shares may leave the demat account without a further authorisation, "" if
    it says nothing.
    """

    keys: Mapping[str, str]
    account_id: str
    consent: str = ""


class LoginRoute(Protocol):
    """The login of one venue. Nothing here knows a password: a person types it at the venue's own page."""

    def login_address(self, access: VenueAccess, *, nonce: str) -> str:
        """Return the address of the venue's login page; it comes back to us with `nonce` as `parse_redirect` reads."""
        ...

    def redirect_address(self, settings: object) -> str:
        """Return the address to which the venue's page sends the browser after a login."""
        ...

    def parse_redirect(self, text: str) -> tuple[str, str]:
        """Return (request token, nonce) of the whole redirected address, or of the token alone, then with nonce "".

        Raises LoginRefused for a text that holds no token, or that says that the login failed.
        """
        ...

    async def exchange_token(self, access: VenueAccess, request_token: str) -> LoginGrant:
        """Exchange a request token for new keys, once. Raises LinkLost, LoginRefused, KeysRefused or AccessDenied."""
        ...
