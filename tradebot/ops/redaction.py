"""The last step of every log line: masks secrets, by value where it is known, by name elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = b"********"
MIN_SECRET_CHARS = 4  # masking a shorter one would hide half of every line

# The name of a secret, `=` or `:` in any quoting, then the value: query strings, form bodies, headers, JSON, repr.
_NAMED = re.compile(
    rb"""((?:api_?key|secret|(?:access|request|refresh|enc|auth)_?token|passw(?:or)?d|authorization|cookie|dsn)
    [\\"']*\s*[=:]\s*[\\"']*(?:(?:token|bearer|basic)\s+)?)(?!\*{8})[^\s"'&,;}\\]+""",
    re.IGNORECASE | re.VERBOSE,
)
_IN_ADDRESS = re.compile(rb"(://[^/\s:@\"']*:)[^@\s/\"']+@")  # scheme://user:password@host
_BOT_PATH = re.compile(rb"(/bot\d{5,}:)[\w-]{16,}")  # chat APIs carry their token in the path
# These are searched first, as plain bytes at a tenth of the cost. Nearly every line has none of them.
_SIGNS = (b"key", b"secret", b"token", b"passw", b"authoriz", b"cookie", b"dsn", b"://", b"/bot")


class SecretMask:
    """Masks `secrets` in every spelling, except those shorter than `min_chars` characters."""

    def __init__(self, secrets: Iterable[str], *, min_chars: int = MIN_SECRET_CHARS) -> None:
        spelled: set[bytes] = set()
        for secret in secrets:
            if len(secret) >= min_chars:
                # Plain, inside JSON (also as PHP writes it), and inside a URL.
                inside = json.dumps(secret)[1:-1]
                forms = (secret, inside, inside.replace("/", r"\/"), quote(secret, safe=""))
                spelled |= {form.encode() for form in forms}
        # Longest first, because one may be part of another
        self._known = sorted(spelled, key=lambda s: (-len(s), s))

    def __call__(self, text: bytes) -> bytes:
        """Return the text with secrets masked."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def mask_text(self, text: object) -> str:
        """Return `text` as a string with secrets masked."""
        return self(str(text).encode("utf-8", "backslashreplace")).decode()


class Redactor:
    """Masks `secrets`, and every value that follows the name of a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = SecretMask(secrets)

    def __call__(self, line: bytes) -> bytes:
        """Return the line with secrets masked."""
        line = self._known(line)
        small = line.lower()
        for sign in _SIGNS:
            if sign in small:
                break
        else:
            return line
        line = _NAMED.sub(rb"\1" + MASK, line)
        line = _IN_ADDRESS.sub(rb"\1" + MASK + b"@", line)
        return _BOT_PATH.sub(rb"\1" + MASK, line)
