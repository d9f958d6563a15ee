"""Credentials: the keys of one login, in one object that the feed and the REST link share and that can be renewed."""

from __future__ import annotations

from collections.abc import Mapping

from tradebot.ops.redaction import SecretMask

KEPT_KEY_SETS = 4  # a late response may still quote the previous keys, but not those from a week ago
MIN_SECRET_LENGTH = 8  # characters; a shorter secret could match part of a number


class Credentials:
    """The current keys by name.

    A sender reads them at each request and each connection, so renewed keys reach the next one without rebuilding
    anything. `version` counts the renewals. `redactor` hides the current keys and those of the last few renewals.
    """

    def __init__(self, **keys: str) -> None:
        self._sets = [dict(keys)]
        self.version = 0
        self._known = self._stars()

    def __getitem__(self, name: str) -> str:
        return self._sets[-1][name]

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._sets[-1])}; version {self.version})"

    def renew_keys(self, **keys: str) -> None:
        """Replace the keys that are given by those of a new login. Raises KeyError for an unknown name."""
        if unknown := sorted(keys.keys() - self._sets[-1].keys()):
            raise KeyError(f"these credentials have no {', '.join(unknown)}")
        self._sets = [*self._sets[1 - KEPT_KEY_SETS :], self._sets[-1] | keys]
        self.version += 1
        self._known = self._stars()

    @property
    def redactor(self) -> SecretMask:
        """Return the redactor that replaces every key by stars."""
        return self._known

    def _stars(self) -> SecretMask:
        texts = dict.fromkeys(text for keys in reversed(self._sets) for text in _secret(keys))
        return SecretMask(texts, min_chars=MIN_SECRET_LENGTH)


def _secret(keys: Mapping[str, str]) -> list[str]:
    return [text for text in keys.values() if text]
