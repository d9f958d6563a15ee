"""Every secret of a configuration, so that no line of the log and no alert holds one; of addresses, their parts too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from tradebot.config.problems import venue_secrets
from tradebot.config.sections import Config
from tradebot.store.dsn import dsn_secrets

MIN_PART_CHARS = 8  # a shorter part of an address is a word such as `bot`


def known_secrets(config: Config) -> list[str]:
    """Return the secrets that `config` holds: of venues, database, alerts, heartbeat and chat."""
    found = venue_secrets(config)
    if dsn := config.store.dsn.get_secret_value():
        found += dsn_secrets(dsn)
    if token := config.telegram.token.get_secret_value():
        found += [token, *(part for part in token.split(":") if len(part) > MIN_PART_CHARS)]
    notify = config.notify
    for address in (*notify.urls.get_secret_value().split(), *notify.heartbeat_url.get_secret_value().split()):
        found += [address, *_address_parts(address)]
    return list(dict.fromkeys(text for text in found if text))


def _address_parts(address: str) -> Iterator[str]:
    # A library may show a part of an address. Host names and plain words are no secrets, and masking them would hide
    # half of the log.
    rest = address.partition("://")[2]
    try:
        parts = urlsplit(f"http://{rest}")
        host = parts.hostname or ""
        for given in (parts.username, parts.password):
            if given:
                yield given
                yield unquote(given)
    except ValueError:
        host = ""
    for part in re.split(r"[/?&=@:#,;]", rest):
        for text in dict.fromkeys((part, unquote(part))):
            if (
                len(text) >= MIN_PART_CHARS
                and text.lower() != host.lower()
                and not re.fullmatch(r"[a-z]+|[\d.]+", text)
            ):
                yield text
