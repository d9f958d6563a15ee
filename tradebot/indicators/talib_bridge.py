"""The only file that calls TA-Lib, which has no types: a function's signature, its batch form, its streaming handle.

TA-Lib wraps its functions for pandas when pandas can be imported. A worker process does not need that and would pay 0.2
s and 60 MB, so pandas is hidden while TA-Lib loads, unless it was imported before.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from tradebot.domain.market import Floats


def _load() -> tuple[Any, Any, Any]:
    hidden = [name for name in ("pandas", "polars") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        return tuple(importlib.import_module(n) for n in ("talib", "talib.stream", "talib.abstract"))  # type: ignore[return-value]
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


_talib, _stream, _abstract = _load()

Update = Callable[..., Any]  # one closed bar's inputs in, its value (or tuple of values) out
Params = tuple[tuple[str, int | float], ...]


class Signature(NamedTuple):
    """The inputs, parameters and outputs of a TA-Lib function.

    `inputs` has one entry per argument of the function: the bar columns that it means when given bars (None: no
    default).
    """

    name: str
    inputs: tuple[tuple[str | None, ...], ...]
    parameters: dict[str, int | float]
    outputs: tuple[str, ...]


BAR_COLUMNS = ("open", "high", "low", "close", "volume")


@cache
def function_signature(name: str) -> Signature:
    """Describe the TA-Lib function `name`. Raises AttributeError for an unknown one, with the nearest known name."""
    known = _talib.get_functions()
    if name not in known:
        near = difflib.get_close_matches(name.upper(), known, n=1)
        raise AttributeError(f"TA-Lib has no function {name}" + (f"; did you mean {near[0]}?" if near else ""))
    info = _abstract.Function(name).info
    inputs = tuple(
        tuple(value) if isinstance(value, list | tuple) else (value if value in BAR_COLUMNS else None,)
        for value in info["input_names"].values()
    )
    return Signature(name, inputs, dict(info["parameters"]), tuple(info["output_names"]))


@cache
def lookback_rows(name: str, params: Params) -> int:
    """Return how many rows come before the first value. Raises ValueError for parameters that TA-Lib refuses."""
    try:
        rows = int(_abstract.Function(name, **dict(params)).lookback)
    except OverflowError:
        rows = -1
    if rows < 0:
        shown = ", ".join(f"{key}={value}" for key, value in params)
        raise ValueError(f"TA-Lib refuses {name}({shown})")
    return rows


def _columns(value: Any) -> tuple[Floats, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _scatter(name: str, params: Params, mask: Any, outputs: tuple[Floats, ...]) -> tuple[Floats, ...]:
    # Integer outputs mark the rows before the first value with 0, which is also a value; floats have NaN there.
    if mask.all() and all(output.dtype == np.float64 for output in outputs):
        return outputs
    first = lookback_rows(name, params)
    result = []
    for output in outputs:
        values = output.astype(np.float64)
        values[:first] = np.nan
        whole = np.full(len(mask), np.nan)
        whole[mask] = values
        result.append(whole)
    return tuple(result)


@cache
def _call(name: str, params: Params) -> Callable[..., Any]:
    # The function without its wrapper for pandas, which checks every argument for being a series.
    return partial(inspect.unwrap(getattr(_talib, name)), **dict(params))


def compute_batch(
    name: str, params: Params, inputs: Sequence[Floats], *, is_finite: bool = False
) -> tuple[Floats, ...]:
    """Return the outputs over whole columns, shape (n,) each; `is_finite` promises that all inputs are finite.

    A row with a non-finite input is skipped: its value is NaN, and the rows around it count as neighbours.
    """
    if is_finite and len(inputs[0]) > lookback_rows(name, params):
        outputs = _columns(_call(name, params)(*inputs))
        if all(output.dtype == np.float64 for output in outputs):
            return outputs
    mask = np.logical_and.reduce([np.isfinite(column) for column in inputs])
    if not mask.any():
        return tuple(np.full(len(mask), np.nan) for _ in function_signature(name).outputs)
    known = inputs if mask.all() else [column[mask] for column in inputs]
    return _scatter(name, params, mask, _columns(_call(name, params)(*known)))


def batch_and_open(name: str, params: Params, inputs: Sequence[Floats]) -> tuple[tuple[Floats, ...], Update | None]:
    """Return what `compute_batch` returns, and the update of a handle that goes on from there.

    The update is None while the history is too short.
    """
    mask = np.logical_and.reduce([np.isfinite(column) for column in inputs])
    history = [column[mask] for column in inputs]
    if len(history[0]) <= lookback_rows(name, params):  # some functions call that a "bad parameter", but not always
        return tuple(np.full(len(mask), np.nan) for _ in function_signature(name).outputs), None
    try:
        handle, outputs = getattr(_stream, name).open_and_fill(*history, **dict(params))
    except _talib.InsufficientHistory:
        return tuple(np.full(len(mask), np.nan) for _ in function_signature(name).outputs), None
    update: Update = handle.update
    return _scatter(name, params, mask, _columns(outputs)), update


def open_handle(name: str, params: Params, inputs: Sequence[Floats]) -> tuple[Any, Update] | None:
    """Return the value at the last row of a finite history, and the update to go on with.

    None if the history is too short.
    """
    try:
        handle = getattr(_stream, name)(*inputs, **dict(params))
    except _talib.InsufficientHistory:
        return None
    return handle.value, handle.update
