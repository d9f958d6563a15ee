"""The words of the control plane: what a command does, what it holds for, how long a halt lasts. Fields, never text."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

DAILY_LOSS = "daily_loss"  # the control of the day's loss: at the gate, and as the one that halts or flattens


class CommandVerb(StrEnum):
    """What a command asks for.

    All halts let only orders pass that close a position; `halt` also takes working entries back, `flatten` closes every
    position as well, those of late fills too, whatever its scope. `resume` ends them, `stop` ends the run.
    """

    HALT = "halt"
    FLATTEN = "flatten"
    RESUME = "resume"
    STOP = "stop"


class HaltExpiry(StrEnum):
    """When a halt is over: a person resumes it, or the session ends in which a rule called it."""

    RESUME = "resume"
    SESSION = "session"


class ScopeKind(StrEnum):
    """What kind of thing a scope names; the first two hold for everything."""

    ALL = "all"
    ACCOUNT = "account"
    SYMBOL = "symbol"
    STRATEGY = "strategy"


ACCOUNT_WIDE_KINDS = (ScopeKind.ALL, ScopeKind.ACCOUNT)


class Scope:
    """What a command holds for: everything, the account, one symbol or one strategy. Immutable, compared by value.

    `text` is how it is written down: `all`, `account`, `symbol:X`, `strategy:Y`.
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
        """Return the scope of a text; one that cannot be read holds for everything: no halt may be missed over it."""
        kind, _, name = text.partition(":")
        if kind in (ScopeKind.SYMBOL, ScopeKind.STRATEGY) and name:
            return cls(ScopeKind(kind), name)
        return cls(ScopeKind.ACCOUNT) if text == ScopeKind.ACCOUNT else cls(text=text)

    @property
    def is_account_wide(self) -> bool:
        """True for a scope that holds for everything."""
        return self.kind in ACCOUNT_WIDE_KINDS

    def covers_order(self, symbol: str, strategy: str = "") -> bool:
        """True when an order of `for_strategy` in `for_symbol` lies in it."""
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

# How the rule of the day's loss wrote its halt before a field said how long it lasts. Nothing else wrote these words.
_DAILY_LOSS_REASON = re.compile(r"the day is at -\d+\.\d\d, max_daily_loss is \d+(\.\d+)?(E\+\d+)?")


def infer_halt_expiry(verb: str, scope: str, reason: str) -> HaltExpiry:
    """Return how long a halt lasts that was written down without the field: the one border where words decide."""
    is_loss = verb == CommandVerb.HALT and scope == EVERYTHING.text and _DAILY_LOSS_REASON.fullmatch(reason) is not None
    return HaltExpiry.SESSION if is_loss else HaltExpiry.RESUME
