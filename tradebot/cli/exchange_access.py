"""Options of the verb `exchange` about its client: the keys of the app, its plan, the address after a login."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import click

from tradebot.errors import ConfigError
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.venues.adapter import is_loopback

KEY_PATTERN = re.compile(r"[!-9;-~]{8,64}")  # printable and without a colon, which ends the key in a header
SECRET_PATTERN = re.compile(r"[!-~]{8,128}")
PLANS = ("connect", "personal")
NO_CONSENT = "empty"
CONSENTS = (NO_CONSENT, "consent", "physical")
MOST_ADDRESS_LETTERS = 1_000

ACCESS_OPTIONS = (
    click.option(
        "--api-key", help="Key of the client's app, with --api-secret; then a login is needed.  [default: random]"
    ),
    click.option("--api-secret", help="Secret of the client's app, for rehearsals alone.  [default: random]"),
    click.option("--redirect-url", help="Address on this machine to which a login sends the browser.  [default: none]"),
    click.option(
        "--plan",
        type=click.Choice(PLANS),
        default=PLANS[0],
        show_default=True,
        help="The app's plan; the personal one is refused quotes, past bars and the stream.",
    ),
    click.option(
        "--demat-consent",
        type=click.Choice(CONSENTS),
        default=CONSENTS[-1],
        show_default=True,
        help="How the owner lets the broker debit the demat account; if empty, delivered shares cannot be sold.",
    ),
)


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(ACCESS_OPTIONS):
        command = option(command)
    return command


def access_keys_of(api_key: str | None, api_secret: str | None) -> AccessKeys:
    """Return the keys of the options: random ones with a valid token, or the given ones, which need a login.

    Raises ConfigError.
    """
    if api_key is None and api_secret is None:
        return AccessKeys.new_random()
    if api_key is None or api_secret is None:
        raise ConfigError("--api-key and --api-secret belong together; give both or none")
    if not KEY_PATTERN.fullmatch(api_key):
        raise ConfigError("--api-key should have 8 to 64 printable characters, no space and no colon")
    if not SECRET_PATTERN.fullmatch(api_secret):
        raise ConfigError("--api-secret should have 8 to 128 printable characters and no space")
    return AccessKeys(api_key=api_key, api_secret=api_secret, access_token="")


def registered_app_of(redirect_url: str | None, plan: str, demat_consent: str) -> RegisteredApp:
    """Return what the exchange is to know of the client's app. Raises ConfigError for an address it must not use."""
    if redirect_url is not None and not _is_local_page(redirect_url):
        raise ConfigError(
            f"--redirect-url {redirect_url[:200]!r} should be an http address of this machine,"
            " such as http://127.0.0.1:8790/login"
        )
    return RegisteredApp(redirect_url=redirect_url, has_market_data=plan == PLANS[0], demat_consent=demat_consent)


def _is_local_page(address: str) -> bool:
    # What a login leads to gets the request token, and a line break in it would be another header of the answer.
    if len(address) > MOST_ADDRESS_LETTERS or not address.isascii() or not address.isprintable():
        return False
    return urlsplit(address).scheme in ("http", "https") and is_loopback(address) and "#" not in address
