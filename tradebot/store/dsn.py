"""The address of a PostgreSQL database: which parts of it may be shown. Pure.

No part of an address that cannot be read is shown.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote

from tradebot.errors import ConfigError

# Exactly one `@`, after user and password. A password with a bare `/`, `?`, `#` or `@` would be read as host, path or
# parameters, by us and by the driver, and would be shown as such.
_ADDRESS = re.compile(
    r"""postgres(?:ql)?://
    (?:(?P<user>[^:/?#@\x00-\x20]*)(?::(?P<password>[^/?#@\x00-\x1f]*))?@)?
    (?P<hosts>(?:\[[0-9A-Fa-f:.%]+\]|[\w.%-]+)?(?::\d+)?(?:,(?:\[[0-9A-Fa-f:.%]+\]|[\w.%-]+)(?::\d+)?)*)
    (?P<database>/[^/?#@\x00-\x20]*)?
    (?:\?(?P<query>[a-z_]+=[^?#@&\x00-\x20]*(?:&[a-z_]+=[^?#@&\x00-\x20]*)*)?)?""",
    re.VERBOSE,
)
_SECRET_PARAMETERS = ("password", "sslpassword")
DSN_FORMAT = (
    "should read postgresql://user:password@host:port/database?sslmode=verify-full; in a password write / as %2F,"
    " ? as %3F, # as %23, @ as %40"
)


def is_readable_dsn(dsn: str) -> bool:
    """Return whether it is certain which part of the address is the password."""
    return _ADDRESS.fullmatch(dsn) is not None


def dsn_place(dsn: str) -> str:
    """Return where a DSN points, without password or parameters. Raises ConfigError, which shows no part of it."""
    found = _ADDRESS.fullmatch(dsn)
    if found is None:
        raise ConfigError(f"the address of the database cannot be read, and is not shown: it {DSN_FORMAT}")
    user = f"{found['user']}@" if found["user"] else ""
    return f"postgresql://{user}{found['hosts'] or 'local socket'}{found['database'] or ''}"


def dsn_secrets(dsn: str) -> list[str]:
    """Return the parts of a DSN that no log line may show: itself, and its passwords as written and as sent."""
    found = _ADDRESS.fullmatch(dsn)
    if found is None:
        between = dsn.partition("://")[2].rpartition("@")[0]
        passwords = [between, between.partition(":")[2]]
    else:
        asked = parse_qs(found["query"] or "")
        passwords = [found["password"] or "", *(word for name in _SECRET_PARAMETERS for word in asked.get(name, []))]
    return [text for password in passwords for text in (password, unquote(password)) if text] + ([dsn] if dsn else [])
