"""Credentials: the keys of one login, one object that feed and REST link hold together and that can be renewed."""

from __future__ import annotations

from collections.abc import Mapping

from tradebot.ops.redaction import SecretMask

KEPT_KEY_SETS = 4  # an answer may still quote the keys before, hardly those of a week ago
MIN_SECRET_LENGTH = 8  # characters; stars for a shorter one could fall into a number


class Credentials:
    """Keys by name, as they are now.

    Who sends asks at each request and at each connection, so a renewal reaches the next one of both, without either
    being built again. `version` counts the renewals. Stars hide the keys of now and those of a few renewals before.
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
        """Take over the keys of a new login; those that are not named stay. Raises KeyError for an unknown name."""
        if unknown := sorted(keys.keys() - self._sets[-1].keys()):
            raise KeyError(f"these credentials have no {', '.join(unknown)}")
        self._sets = [*self._sets[1 - KEPT_KEY_SETS :], self._sets[-1] | keys]
        self.version += 1
        self._known = self._stars()

    @property
    def redactor(self) -> SecretMask:
        """What puts stars in place of every key."""
        return self._known

    def _stars(self) -> SecretMask:
        texts = dict.fromkeys(text for keys in reversed(self._sets) for text in _secret(keys))
        return SecretMask(texts, min_chars=MIN_SECRET_LENGTH)


def _secret(keys: Mapping[str, str]) -> list[str]:
    return [text for text in keys.values() if text]
