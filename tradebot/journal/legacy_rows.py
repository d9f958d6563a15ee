"""Rows of older journals in today's words: kinds that are not written any more, fields that a row did not have yet.

The one border at which they are translated; whoever reads a row meets today's messages. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tradebot.domain.commands import EVERYTHING, CommandVerb, Scope, infer_halt_expiry
from tradebot.domain.messages import AccountSnapshot, Command

LEGACY_KINDS = {
    "books": AccountSnapshot,
    "reduce": Command,
    "stop": Command,
}  # kinds of rows that nothing writes any more


def decode_scope(kind: type, value: Any) -> Any:
    """Return what the journal holds as text: a scope. For msgspec's `dec_hook`. Raises TypeError."""
    if kind is Scope and isinstance(value, str):
        return Scope.parse(value)
    raise TypeError(f"the journal holds no {kind.__name__}")


def encode_scope(value: Any) -> Any:
    """Return the text that stands in the journal for a scope. For msgspec's `enc_hook`. Raises TypeError."""
    if isinstance(value, Scope):
        return value.text
    raise TypeError(f"the journal holds no {type(value).__name__}")


def decode_command(body: bytes) -> Command:
    """Return the command of a row's body, of any age. Raises a decode error."""
    return _command(msgspec.json.decode(body))


def upgrade_commands(raw: Any) -> Any:
    """Return the JSON value of some commands with today's fields."""
    return [_worded(one) if isinstance(one, dict) else one for one in raw] if isinstance(raw, list) else raw


def _command(raw: Any) -> Command:
    return msgspec.convert(_worded(raw) if isinstance(raw, dict) else raw, Command, dec_hook=decode_scope)


def _worded(raw: dict[str, Any]) -> dict[str, Any]:
    if "until" in raw:
        return raw
    # `reduce` let only exits pass, as a halt does, and took nothing back; no daemon was ever told to.
    verb = CommandVerb.HALT.value if raw.get("verb") == "reduce" else str(raw.get("verb"))
    scope, reason = str(raw.get("scope", EVERYTHING.text)), str(raw.get("reason", ""))
    return raw | {"verb": verb, "until": infer_halt_expiry(verb, scope, reason).value}
