"""Kite's login: the page, the redirect that carries a request token, and its exchange for an access token.

A request token is valid once and for a few minutes; the access token that it gives ends at 06:00 IST.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tradebot.errors import AccessDenied, KeysRefused, LinkLost, LoginRefused
from tradebot.venues.adapter import VenueAccess, is_loopback
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.fields import WireError, clean_text, record_of, text_of
from tradebot.venues.kite.responses import KiteResponse, ResponseKind, classify_response
from tradebot.venues.kite.rest import RestLink
from tradebot.venues.kite.rules import LOGIN_URL, SANDBOX_HOST, route_prefix
from tradebot.venues.login import LoginGrant

MAX_ANSWER_BYTES = 64 << 10
# Below the time that the control socket gives a request: an exchange that is cut off uses up the token for nothing.
EXCHANGE_WITHIN_S = 4.0
REQUEST_TOKEN = re.compile(r"[0-9A-Za-z]{8,64}")
NONCE_NAME = "nonce"
# Kite answers a wrong secret and a used request token with the same error type; its text alone tells them apart.
WRONG_CHECKSUM_TEXT = re.compile(r"checksum", re.IGNORECASE)
WRONG_KEY_TEXT = re.compile(r"api_key", re.IGNORECASE)


class KiteLogin:
    """Implements `venues/login.py` for Kite."""

    def login_address(self, access: VenueAccess, *, nonce: str) -> str:
        query = {
            "v": "3",
            "api_key": access.credentials["api_key"],
            "redirect_params": urlencode({NONCE_NAME: nonce}),
        }
        return f"{_login_page(access.addresses['rest'])}?{urlencode(query)}"

    def redirect_address(self, settings: Any) -> str:
        return str(settings.redirect_url)

    def parse_redirect(self, text: str) -> tuple[str, str]:
        """Return (request token, nonce).

        `http://127.0.0.1:8790/kite?request_token=XXXXXX&action=login&status=success&nonce=...`, or the token alone.
        """
        text = text.strip()
        if REQUEST_TOKEN.fullmatch(text):
            return text, ""
        try:
            fields = parse_qs(urlsplit(text).query)
        except ValueError:
            fields = {}
        token = fields.get("request_token", [""])[0]
        if fields.get("status", ["success"])[0] != "success":
            raise LoginRefused("Kite says that the login did not succeed; open the login page again")
        if not REQUEST_TOKEN.fullmatch(token):
            raise LoginRefused(
                "it holds no request token; give the whole address to which the browser came after the login, in"
                " quotes, with request_token=... in it"
            )
        return token, fields.get(NONCE_NAME, [""])[0]

    async def exchange_token(self, access: VenueAccess, request_token: str) -> LoginGrant:
        """Exchange a request token by POST /session/token; see `parse_grant` for the answer."""
        key, secret = access.credentials["api_key"], access.credentials["api_secret"]
        checksum = hashlib.sha256(f"{key}{request_token}{secret}".encode()).hexdigest()
        rest = access.addresses["rest"]
        # The token is part of the mask, so that an error that quotes our request does not tell it.
        hidden = Credentials(api_key=key, api_secret=secret, request_token=request_token, checksum=checksum)
        link = RestLink(
            rest,
            credentials=hidden,
            ca_bundle=access.ca_bundle,
            bind_address=access.bind_address or None,
            has_login=False,
        )
        form = {"api_key": key, "request_token": request_token, "checksum": checksum}
        try:
            got = await link.send_request(
                "POST",
                f"{route_prefix(rest)}/session/token",
                form=form,
                total_s=EXCHANGE_WITHIN_S,
                max_bytes=MAX_ANSWER_BYTES,
            )
        finally:
            await link.close()
        return parse_grant(*got)


def parse_grant(status: int, body: bytes) -> LoginGrant:
    """Return the grant in an answer to POST /session/token. Raises LinkLost, LoginRefused, KeysRefused, AccessDenied.

    `{"status":"success","data":{"user_id":"AB1234","access_token":"XXXXXX","meta":{"demat_consent":"consent"}, ...}}`
    """
    answer = classify_response(status, body)
    if answer.kind is not ResponseKind.DONE:
        raise _refusal(answer)
    try:
        data = record_of(answer.data, "session")
        meta = data.get("meta")
        consent = meta.get("demat_consent") if isinstance(meta, dict) else ""
        return LoginGrant(
            keys={"access_token": text_of(data, "access_token")},
            account_id=text_of(data, "user_id"),
            consent=clean_text(consent or ""),
        )
    except WireError as error:
        raise LinkLost(f"POST /session/token: {error}") from error


def _refusal(answer: KiteResponse) -> LinkLost | AccessDenied:
    told = f"{answer.error_type}: {answer.message}" if answer.error_type else answer.message
    if answer.kind is ResponseKind.LOGGED_OUT:
        if WRONG_CHECKSUM_TEXT.search(answer.message):
            return KeysRefused(f"Kite refuses the login: {told}; kite.api_secret is not the secret of this app")
        return LoginRefused(f"Kite refuses the request token: {told}; it is valid once and for minutes: log in again")
    if answer.kind is ResponseKind.REFUSED and WRONG_KEY_TEXT.search(answer.message):
        return KeysRefused(f"Kite refuses the login: {told}; kite.api_key is not the key of an app")
    if answer.kind in (ResponseKind.REFUSED, ResponseKind.DENIED):
        return AccessDenied(f"Kite refuses the login: {told}")
    return LinkLost(f"POST /session/token: {told}")


def _login_page(rest: str) -> str:
    if is_loopback(rest) or urlsplit(rest).hostname == SANDBOX_HOST:
        return f"{rest.rstrip('/')}/connect/login"
    return LOGIN_URL
