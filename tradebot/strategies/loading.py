"""Loads strategies by the reference in the config: a shipped one by its name, a user's by `path/to/file.py:Class`."""

from __future__ import annotations

import difflib
import hashlib
import linecache
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tradebot.domain.message import Message
from tradebot.errors import ConfigError, DataError
from tradebot.indicators.expressions import Bars
from tradebot.strategies.ema_cross import EmaCross
from tradebot.strategies.opening_range_breakout import OpeningRangeBreakout
from tradebot.strategies.rsi_reversion import RsiReversion
from tradebot.strategies.strategy import Rules, Strategy
from tradebot.strategies.time_limit import LOAD_LIMIT_S, time_limit
from tradebot.strategies.user_code_guard import MODULE_PREFIX, UserCodeGuard

SHIPPED_STRATEGIES: dict[str, type[Strategy]] = {
    "ema_cross": EmaCross,
    "opening_range_breakout": OpeningRangeBreakout,
    "rsi_reversion": RsiReversion,
}

_GIVEN: dict[str, type[Strategy]] = {}  # reference -> a class registered as an object


class StrategySpec(Message, frozen=True):
    """A strategy by reference: what a worker process needs to build it.

    `name` is the strategy's name in signals. `symbols` are those it may trade, empty for all. `code` is the text of a
    user's file when it was loaded. So a worker that is rebuilt later runs the same code, even if the file has changed.
    """

    name: str
    reference: str
    params: dict[str, Any] = {}
    code: str = ""
    symbols: tuple[str, ...] = ()

    def load_class(self) -> type[Strategy]:
        """Return the class of the strategy. Raises DataError."""
        return _find(self.reference, self.code)

    def create_strategy(self) -> Strategy:
        """Return a new strategy with its parameters set. Raises DataError."""
        kind = self.load_class()
        made = kind.__new__(kind, **self.params)
        made.__init__()  # type: ignore[misc]  # after the parameters, so that __init__ may read them
        return made


def load_strategy(
    reference: str,
    params: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    symbols: Iterable[str] = (),
) -> StrategySpec:
    """Check a strategy and its parameters and return its spec. `name` defaults to that of the reference.

    Raises DataError for a strategy that cannot be found, read or built, ConfigError for its parameters. The text of
    either is one sentence.
    """
    path, _, class_name = _split(reference)
    code = "" if path is None else _read(path)
    strategy = _find(reference, code)
    values = _checked(reference, strategy, params or {})
    spec = StrategySpec(
        name=name or class_name or strategy.__name__,
        reference=reference,
        params=values,
        code=code,
        symbols=tuple(symbol.rpartition(":")[2] for symbol in symbols),  # a run trades each name on one exchange
    )
    _rules(spec)
    return spec


def register_class(kind: type[Strategy], params: Mapping[str, Any] | None = None) -> StrategySpec:
    """Register a class and return its spec, which is valid in this process only. Raises as `load_strategy` does."""
    if not issubclass(kind, Strategy):
        raise DataError(f"{kind.__name__} is not a Strategy")
    reference = f"{kind.__module__}.{kind.__qualname__}"
    while _GIVEN.get(reference, kind) is not kind:  # a notebook cell run again makes another class of the same name
        reference += "'"
    _GIVEN[reference] = kind
    spec = StrategySpec(name=kind.__name__, reference=reference, params=_checked(kind.__name__, kind, params or {}))
    _rules(spec)
    return spec


def strategy_file(reference: str) -> Path | None:
    """Return the file in a reference, None for a shipped strategy."""
    return _split(reference)[0]


def _split(reference: str) -> tuple[Path | None, str, str]:
    head, colon, tail = reference.rpartition(":")
    file, class_name = (head, tail) if colon and not tail.endswith(".py") else (reference, "")
    if file.endswith(".py") or class_name or "/" in file:
        return Path(file), file, class_name
    return None, file, file


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"strategy file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(f"strategy file {path} cannot be read: {fault}") from fault


def _find(reference: str, code: str) -> type[Strategy]:
    if reference in _GIVEN:
        return _GIVEN[reference]
    path, file, class_name = _split(reference)
    if path is None:
        if file not in SHIPPED_STRATEGIES:
            raise DataError(
                f"there is no strategy {file}{_hint(file, SHIPPED_STRATEGIES)};"
                f" shipped are {', '.join(SHIPPED_STRATEGIES)}"
            )
        return SHIPPED_STRATEGIES[file]
    module = _execute(str(path), code)
    found: dict[str, type[Strategy]] = {n: value for n, value in vars(module).items() if _is_own(value, module)}
    if not class_name:
        if len(found) != 1:
            listed = ", ".join(found) or "none"
            raise DataError(f"{path} must be given with a class, as {path}:Class; it defines {listed}")
        return next(iter(found.values()))
    chosen: object = getattr(module, class_name, None)
    if chosen is None:
        raise DataError(f"{path} has no class {class_name}{_hint(class_name, found)}")
    if not (isinstance(chosen, type) and issubclass(chosen, Strategy)):
        raise DataError(f"{class_name} in {path} is not a Strategy")
    return chosen


def _is_own(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, Strategy) and value.__module__ == module.__name__


def _execute(path: str, code: str) -> ModuleType:
    name = f"{MODULE_PREFIX}{hashlib.sha256(f'{path} {code}'.encode(errors='surrogateescape')).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    try:
        program = compile(code, path, "exec")
    except SyntaxError as fault:
        raise DataError(f"{path}:{fault.lineno}: {fault.msg}") from fault
    except ValueError as fault:  # a null byte
        raise DataError(f"{path}: {fault}") from fault
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses and pickle look up the module of a class
    linecache.cache[path] = (len(code), None, code.splitlines(keepends=True), path)
    with UserCodeGuard(path) as guard, time_limit(LOAD_LIMIT_S):
        exec(program, vars(module))
    if guard.fault is not None:
        del sys.modules[name]
        raise DataError(f"{path}:{guard.fault_line or 1}: {guard.fault_text}") from guard.fault
    return module


def _checked(reference: str, strategy: type[Strategy], params: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, value in params.items():
        if name not in strategy.params:
            known = ", ".join(strategy.params) or "none"
            raise ConfigError(f"{reference} has no parameter {name}{_hint(name, strategy.params)}; it has {known}")
        try:
            values[name] = strategy.params[name].validate_value(value)
        except ValueError as fault:
            raise ConfigError(f"{reference}: {name} {fault}") from fault
    return {name: values.get(name, param.default) for name, param in strategy.params.items()}


def _rules(spec: StrategySpec) -> None:
    kind = spec.load_class()
    if kind.rules is Strategy.rules and kind.decide is Strategy.decide and not kind.takes_frames:
        raise DataError(f"{spec.reference} decides nothing: write rules() or decide(), or a FrameStrategy")
    # Taken from the code object, because a class of a notebook has no file of its own.
    path = kind.rules.__code__.co_filename
    doing = "making it"
    with UserCodeGuard(path) as guard, time_limit(LOAD_LIMIT_S):
        made = spec.create_strategy()
        doing = "rules()"
        rules = made.rules(Bars())
    if isinstance(guard.fault, ValueError):  # the strategy's own check of parameters that do not fit together
        raise ConfigError(f"{spec.reference}: {guard.fault}") from guard.fault
    if guard.fault is not None:
        where = "" if guard.fault_line is None else f" at line {guard.fault_line}"
        raise DataError(f"{spec.reference}: {doing} fails{where}: {guard.fault_text}") from guard.fault
    if rules is not None and not isinstance(rules, Rules):
        raise DataError(f"{spec.reference}: rules() must return Rules, returned {type(rules).__name__}")


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
