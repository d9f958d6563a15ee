"""What the tests of Kite's login share: an access to an address, and what Kite answers to a token that it accepts."""

from __future__ import annotations

from typing import Any

from tradebot.venues.adapter import VenueAccess
from tradebot.venues.credentials import Credentials

API_KEY, API_SECRET, REQUEST_TOKEN, OLD_TOKEN = "key-of-our-app", "secret-of-our-app", "Req0123456789ab", "oldtoken99"
SESSION: dict[str, Any] = {
    "user_id": "AB1234", "user_type": "individual", "api_key": API_KEY, "access_token": "newtoken0123456789",
    "public_token": "p", "refresh_token": "", "login_time": "2026-01-05 08:40:12", "meta": {"demat_consent": "consent"},
}  # fmt: skip


def access_to(rest: str, **keys: str) -> VenueAccess:
    """Return the access of the app to a Kite at `rest`; `keys` replace its own."""
    held = {"api_key": API_KEY, "api_secret": API_SECRET, "access_token": OLD_TOKEN} | keys
    return VenueAccess(addresses={"rest": rest, "ticker": "wss://ws.kite.trade"}, credentials=Credentials(**held))
