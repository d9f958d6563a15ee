"""What a command does, which scope it has and how long a halt lasts; decided by fields and never by text."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

DAILY_LOSS = "daily_loss"  # names the limit on the day's loss, at the gate and in the halt or flatten that it calls


class CommandVerb(StrEnum):
    """What a command asks for.

    Under a `halt` only orders that close a position pass the gate, and working entries are cancelled. `flatten` does
    the same and closes every position whatever its scope, even one that a late fill opens. `resume` ends both. `stop`
    ends the run. `cancel` cancels the order of ours that the command's id names; its only row is that of the cancel.
    """

    HALT = "halt"
    FLATTEN = "flatten"
    RESUME = "resume"
    STOP = "stop"
    CANCEL = "cancel"


class HaltExpiry(StrEnum):
    """When a halt ends: at a person's `resume`, or with the session in which a rule called it."""

    RESUME = "resume"
    SESSION = "session"


class ScopeKind(StrEnum):
    """What a scope names; ALL and ACCOUNT both cover everything."""

    ALL = "all"
    ACCOUNT = "account"
    SYMBOL = "symbol"
    STRATEGY = "strategy"


ACCOUNT_WIDE_KINDS = (ScopeKind.ALL, ScopeKind.ACCOUNT)


class Scope:
    """The scope of a command: everything, the account, one symbol or one strategy. Immutable, compared by value.

    `text` is its form in the journal: `all`, `account`, `symbol:X` or `strategy:Y`.
    """

    __slots__ = ("kind", "name", "text")

    kind: ScopeKind
    name: str
    text: str

    def __init__(self, kind: ScopeKind = ScopeKind.ALL, name: str = "", *, text: str = "") -> None:
        for field, value in (
            ("kind", kind),
            ("name", name),
            ("text", text or (kind.value if kind in ACCOUNT_WIDE_KINDS else f"{kind}:{name}")),
        ):
            object.__setattr__(self, field, value)

    @classmethod
    def for_symbol(cls, name: str) -> Self:
        """Return the scope of one symbol."""
        return cls(ScopeKind.SYMBOL, name)

    @classmethod
    def for_strategy(cls, name: str) -> Self:
        """Return the scope of one strategy."""
        return cls(ScopeKind.STRATEGY, name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the scope of a text. An unreadable text covers everything, so that no halt is missed."""
        kind, _, name = text.partition(":")
        if kind in (ScopeKind.SYMBOL, ScopeKind.STRATEGY) and name:
            return cls(ScopeKind(kind), name)
        return cls(ScopeKind.ACCOUNT) if text == ScopeKind.ACCOUNT else cls(text=text)

    @property
    def is_account_wide(self) -> bool:
        """Return True for a scope that covers everything."""
        return self.kind in ACCOUNT_WIDE_KINDS

    def covers_order(self, symbol: str, strategy: str = "") -> bool:
        """Return True when the scope covers an order of `strategy` in `symbol`."""
        match self.kind:
            case ScopeKind.SYMBOL:
                return self.name == symbol
            case ScopeKind.STRATEGY:
                return bool(strategy) and self.name == strategy
        return True

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a scope is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scope) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Scope({self.text!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return Scope.parse, (self.text,)


EVERYTHING = Scope()

# The reason that the daily loss rule wrote before halts had an expiry field. Nothing else wrote these words.
_DAILY_LOSS_REASON = re.compile(r"the day is at -\d+\.\d\d, max_daily_loss is \d+(\.\d+)?(E\+\d+)?")


def infer_halt_expiry(verb: str, scope: str, reason: str) -> HaltExpiry:
    """Return when a halt ends whose journal row has no `until` field; the only place where a reason's text decides."""
    is_loss = verb == CommandVerb.HALT and scope == EVERYTHING.text and _DAILY_LOSS_REASON.fullmatch(reason) is not None
    return HaltExpiry.SESSION if is_loss else HaltExpiry.RESUME
