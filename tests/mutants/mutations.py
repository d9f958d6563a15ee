"""Single changes of a source file: which ones there are, and the text with one of them made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
OPERATORS: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Div: "*"}


class Mutant(NamedTuple):
    """One change: `was` at `line` of `file` becomes `becomes`; `start` and `stop` are character offsets of `was`."""

    file: str
    line: int
    kind: str
    was: str
    becomes: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name the change by what stands there, so that it is the same one when lines move."""
        return f"{self.file} | {self.kind} | {' '.join(self.was.split())}"

    def text(self, source: str) -> str:
        """Return the source with the change in it."""
        return source[: self.start] + self.becomes + source[self.stop :]


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Return every change of one file, in the order of its text."""
    source = path.read_text(encoding="utf-8")
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = []
    for node, kind, becomes in _changes(ast.parse(source)):
        start, stop = (
            _offset(source, lines, row, column)
            for row, column in ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        )
        was = source[start:stop]
        file = path.relative_to(root).as_posix()
        found.append(Mutant(file, node.lineno, kind, was, becomes, start, stop))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.stop, mutant.kind))


def _offset(source: str, lines: list[int], row: int, column: int) -> int:
    # The parser counts bytes of a line in UTF-8, the text is cut by characters.
    start = lines[row - 1]
    return start + len(source[start : lines[row]].encode()[:column].decode())


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    outside = set(_never_run(tree))
    for node in ast.walk(tree):
        if node in outside:
            continue
        match node:
            case ast.Constant(value=bool()):
                continue
            case ast.Constant(value=int(number)):
                yield node, "constant plus one", str(number + 1)
            case ast.Compare(ops=[op]):
                turned = f"{ast.unparse(node.left)} {COMPARISONS[type(op)]} {ast.unparse(node.comparators[0])}"
                yield node, "comparison turned", f"({turned})"
            case ast.BoolOp(op=ast.And()):
                yield node, "and/or turned", f"({' or '.join(map(_operand, node.values))})"
            case ast.BoolOp(op=ast.Or()):
                yield node, "and/or turned", f"({' and '.join(map(_operand, node.values))})"
            case ast.BinOp(op=op) if type(op) in OPERATORS and not _is_text(node):
                yield node, "operator turned", f"({_operand(node.left)} {OPERATORS[type(op)]} {_operand(node.right)})"
            case ast.UnaryOp(op=ast.Not()):
                yield node, "negation dropped", f"bool{_operand(node.operand)}"
            case ast.If(test=test) if not isinstance(test, ast.Compare | ast.UnaryOp):
                yield test, "condition negated", f"(not {_operand(test)})"
            case ast.Expr(value=ast.Call()) | ast.AugAssign():
                yield node, "statement dropped", "pass"
            case _:
                continue


def _never_run(tree: ast.Module) -> Iterator[ast.AST]:
    # Annotations, default values of fields and what stands in an assertion's message decide nothing at run time.
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.Assert):
            parts = [node.test, node.msg]
        elif isinstance(node, ast.JoinedStr):
            parts = [node]  # words for people
        elif isinstance(node, ast.ClassDef):
            parts = [*node.bases, *node.keywords]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and _is_text(node.value):
            parts = [node]
        for part in parts:
            if part is not None:
                yield from ast.walk(part)


def _operand(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _is_text(node: ast.BinOp) -> bool:
    return any(_is_words(side) for side in (node.left, node.right))


def _is_words(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
