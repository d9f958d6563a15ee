"""The names of the code in figures: how public functions are called, and which names stand for two things.

`tests.shape` prints the figures and `tests/test_naming.py` holds the rules. Everything is read from the sources.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Trees = Mapping[str, ast.Module]  # file -> its tree

MOST_OWNERS = 4  # of one public verb; implementations of one protocol or base class count once
# Words of an idiom that has to be read twice, and what to say instead.
MARKER_WORDS = {
    "alike": "in the same way",
    "anew": "again",
    "hardly": "rarely, or a figure",
    "nobody": "say who does not",
    "somebody": "say who",
    "whatever it is": "say what",
    "whoever": "say who",
}
MARKED = re.compile(rf"(?i)\b(?:{'|'.join(MARKER_WORDS)})\b")
# What one caller asks of every class of a folder, by a table instead of a protocol: it is one verb.
ASKED_BY_A_TABLE = {"tradebot/trading/desk/rules/": {"on_change", "on_reconcile", "on_tick"}}
# What Python itself asks of a class by this name.
ASKED_BY_PYTHON = {"close"}  # contextlib.closing and every other resource
# Bases that bring no methods of their own to override.
PLAIN_BASES = {"NamedTuple", "Protocol", "Generic", "StrEnum", "IntEnum", "Enum", "Exception", "Message", "TypedDict"}


class Method(NamedTuple):
    """A public method, the file and the class that it is found in."""

    file: str
    owner: str
    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def name(self) -> str:
        """Return the method's name."""
        return self.node.name

    @property
    def is_property(self) -> bool:
        """Return whether it is read like an attribute; such a name is no verb."""
        marks = {ast.unparse(mark).rpartition(".")[2] for mark in self.node.decorator_list}
        return bool(marks & {"property", "cached_property", "setter"})


def public_names(trees: Trees) -> list[str]:
    """Return the name of every function and method that is neither private nor local to a function."""
    return [node.name for tree in trees.values() for node in _public(tree)]


def _public(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if not child.name.startswith("_"):
                yield child
        elif isinstance(child, ast.ClassDef | ast.If | ast.Try | ast.With):
            yield from _public(child)


def one_word_share(trees: Trees) -> float:
    """Return the share of public functions whose name is one word."""
    names = public_names(trees)
    return sum("_" not in name for name in names) / max(1, len(names))


def mean_length(trees: Trees) -> float:
    """Return the mean number of characters in the names of public functions."""
    names = public_names(trees)
    return sum(map(len, names)) / max(1, len(names))


def classes_of(trees: Trees) -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield file and node of every class that is not local to a function."""
    for file, tree in trees.items():
        yield from ((file, node) for node in _classes(tree))


def _classes(node: ast.AST) -> Iterator[ast.ClassDef]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield child
        if isinstance(child, ast.ClassDef | ast.If | ast.Try | ast.With):
            yield from _classes(child)


def shared_class_names(trees: Trees) -> Iterator[str]:
    """Yield each class name that stands in two packages, with its places. A package is the folder of a file."""
    places: dict[str, list[str]] = defaultdict(list)
    for file, node in classes_of(trees):
        places[node.name].append(f"{file}:{node.lineno}")
    for name, found in sorted(places.items()):
        if len({place.rpartition("/")[0] for place in found}) > 1:
            yield f"{name} {', '.join(found)}"


def crowded_verbs(trees: Trees, most: int = MOST_OWNERS) -> Iterator[str]:
    """Yield each public verb that more than `most` unrelated classes own, with its places."""
    owners = _Owners(trees)
    methods: dict[str, list[Method]] = defaultdict(list)
    for method in owners.methods():
        if not method.is_property and method.name not in ASKED_BY_PYTHON and not owners.overrides_a_library(method):
            methods[method.name].append(method)
    for name, found in sorted(methods.items()):
        kinds = {owners.kind_of(method) for method in found}
        if len(kinds) > most:
            yield f"{name} {len(kinds)} {', '.join(f'{m.file}:{m.node.lineno} {m.owner}' for m in found)}"


class _Owners:
    """The classes of the house, and which of them are implementations of the same protocol or base class."""

    def __init__(self, trees: Trees) -> None:
        found = list(classes_of(trees))
        self._files = {node.name: file for file, node in found}
        self._nodes = {node.name: node for _, node in found}
        self._bases = {name: self._bases_of(node) for name, node in self._nodes.items()}
        self._members = {name: frozenset(self._members_of(name)) for name in self._nodes}
        self._protocols = [name for name, node in self._nodes.items() if "Protocol" in _base_names(node)]

    def methods(self) -> Iterator[Method]:
        for name, node in self._nodes.items():
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and not method.name.startswith("_"):
                    yield Method(self._files[name], name, method)

    def overrides_a_library(self, method: Method) -> bool:
        """Return whether a base class outside the house may have chosen the method's name."""
        bases = _base_names(self._nodes[method.owner])
        return any(base not in self._nodes and base not in PLAIN_BASES for base in bases)

    def kind_of(self, method: Method) -> str:
        """Return the table, protocol or base class that the method implements, else its own class."""
        for folder, names in ASKED_BY_A_TABLE.items():
            if method.file.startswith(folder) and method.name in names:
                return folder
        for base in self._bases[method.owner]:
            if method.name in self._members[base]:
                return self.kind_of(method._replace(owner=base))
        for protocol in self._protocols:
            wanted = self._members[protocol]
            if protocol != method.owner and method.name in wanted and wanted <= self._members[method.owner]:
                return protocol
        return method.owner

    def is_documented(self, method: Method) -> bool:
        """Return whether the method, or the one that it implements, says what it does."""
        if ast.get_docstring(method.node):
            return True
        for kind in (*self._bases[method.owner], *self._protocols):
            if kind != method.owner and method.name in self._members[kind] and self._implements(method.owner, kind):
                node = next((n for n in self._nodes[kind].body if getattr(n, "name", "") == method.name), None)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    return bool(ast.get_docstring(node))
                return True  # an attribute of the protocol, or further up
        return False

    def _implements(self, owner: str, kind: str) -> bool:
        return kind in self._bases[owner] or self._members[kind] <= self._members[owner]

    def _bases_of(self, node: ast.ClassDef) -> tuple[str, ...]:
        return tuple(name for name in _base_names(node) if name in self._nodes)

    def _members_of(self, name: str) -> Iterator[str]:
        node = self._nodes[name]
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child.name
            elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
                yield child.target.id
            elif isinstance(child, ast.Assign):
                yield from (target.id for target in child.targets if isinstance(target, ast.Name))
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                yield inner.attr
        for base in self._bases[name]:
            yield from self._members_of(base)


def _base_names(node: ast.ClassDef) -> list[str]:
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return [ast.unparse(base).rpartition(".")[2] for base in bases]


def undocumented(trees: Trees) -> Iterator[str]:
    """Yield each public function without a docstring; one that implements a documented one needs none."""
    owners = _Owners(trees)
    for method in owners.methods():
        is_local = method.owner.startswith("_") or owners.overrides_a_library(method)
        if not is_local and not owners.is_documented(method):
            yield f"{method.file}:{method.node.lineno} {method.owner}.{method.name}"
    for file, tree in trees.items():
        for node in tree.body:
            is_public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
            if is_public and not ast.get_docstring(node):
                yield f"{file}:{node.lineno} {node.name}"


def marked_words(file: str, text: str) -> Iterator[str]:
    """Yield each marker word of a comment or docstring as `file:line: word; remedy`."""
    whole = text.splitlines()
    lines = {line: whole[line - 1] for span in _docstrings(ast.parse(text)) for line in span}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] = f"{lines.get(token.start[0], '')} {token.string}"
    for number, line in sorted(lines.items()):
        for word in MARKED.findall(line):
            yield f"{file}:{number}: the word '{word}'; {MARKER_WORDS[word.lower()]}"


def _docstrings(tree: ast.Module) -> Iterator[range]:
    for node in ast.walk(tree):
        is_described = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_described and ast.get_docstring(node, clean=False) is not None:
            yield range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
