"""Converts rows of older journals to today's messages: kinds that are no longer written, fields that were missing.

Only this module converts them, so every reader of rows gets today's messages. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tradebot.domain.commands import EVERYTHING, CommandVerb, Scope, infer_halt_expiry
from tradebot.domain.messages import AccountSnapshot, Command

# kind of rows that are no longer written -> their message type
LEGACY_KINDS = {"books": AccountSnapshot, "reduce": Command, "stop": Command}


def decode_scope(kind: type, value: Any) -> Any:
    """Return the scope of a journaled text. For msgspec's `dec_hook`. Raises TypeError."""
    if kind is Scope and isinstance(value, str):
        return Scope.parse(value)
    raise TypeError(f"the journal holds no {kind.__name__}")


def encode_scope(value: Any) -> Any:
    """Return the text of a scope for the journal. For msgspec's `enc_hook`. Raises TypeError."""
    if isinstance(value, Scope):
        return value.text
    raise TypeError(f"the journal holds no {type(value).__name__}")


def decode_command(body: bytes) -> Command:
    """Return the command in the body of a row of any version. Raises a decode error."""
    return _command(msgspec.json.decode(body))


def upgrade_commands(raw: Any) -> Any:
    """Return the JSON value of a list of commands, with today's fields."""
    return [_worded(one) if isinstance(one, dict) else one for one in raw] if isinstance(raw, list) else raw


def _command(raw: Any) -> Command:
    return msgspec.convert(_worded(raw) if isinstance(raw, dict) else raw, Command, dec_hook=decode_scope)


def _worded(raw: dict[str, Any]) -> dict[str, Any]:
    # A command with today's fields. A row with the field `until` has them already.
    if "until" in raw:
        return raw
    # `reduce` let only exits pass, as a halt does, and cancelled nothing; no daemon was ever given it.
    verb = CommandVerb.HALT.value if raw.get("verb") == "reduce" else str(raw.get("verb"))
    scope, reason = str(raw.get("scope", EVERYTHING.text)), str(raw.get("reason", ""))
    return raw | {"verb": verb, "until": infer_halt_expiry(verb, scope, reason).value}
