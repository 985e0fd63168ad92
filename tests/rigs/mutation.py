"""What a planted bug does to a function: small data, found and applied in the syntax tree.

A place is named as ``module:Class.function``, or ``module:NAME`` for what a module assigns to a name. What is searched for
in it is Python text, compared as a tree: blanks, brackets, quotes, line ends and comments make no difference. In it, ``...``
fits

* any expression: ``maybe = ...`` fits every assignment to ``maybe``;
* any further arguments: ``header.alike(...)`` fits every call of it, ``Database(path, ...)`` every call with ``path`` first;
* any body: ``if unfinished: ...`` fits that ``if``, whatever is below it.

In the new text ``...`` stands for what the ``...`` of the old text fitted, in the same order. Exactly one place must fit.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Node = ast.AST
Fitted = list[Any]
"""What each ``...`` of a pattern stood for: an expression, a list of arguments, or a body."""


class NotOnce(Exception):
    """No place fits, or more than one."""


@dataclass(frozen=True)
class Drop:
    """A statement is gone, or an operand of ``and`` or ``or``, an argument, an element, an ``if`` of a comprehension."""

    what: str

    def apply(self, scope: Node) -> None:
        """Change the tree below ``scope``."""
        spot, _ = once(scope, self.what)
        if not isinstance(spot.held, list):
            raise NotOnce(f"{self.what!r} cannot be left out where it stands: it has no neighbour")
        del spot.held[spot.index]
        if isinstance(spot.parent, ast.BoolOp) and len(spot.held) == 1:
            spot_of(scope, spot.parent).put([spot.held[0]])
        elif not spot.held and spot.field == "body":
            spot.held.append(ast.Pass())


@dataclass(frozen=True)
class Swap:
    """An expression becomes another one, or a statement becomes other statements."""

    what: str
    new: str

    def apply(self, scope: Node) -> None:
        """Change the tree below ``scope``."""
        spot, fitted = once(scope, self.what)
        new = statements(self.new) if isinstance(spot.node, ast.stmt) else parsed(self.new)
        spot.put([filled(node, fitted) for node in new])


@dataclass(frozen=True)
class Before:
    """Other statements come before one."""

    what: str
    new: str

    def apply(self, scope: Node) -> None:
        """Change the tree below ``scope``."""
        spot, _ = once(scope, self.what, statement=True)
        spot.put([*statements(self.new), spot.node])


@dataclass(frozen=True)
class After:
    """Other statements come after one."""

    what: str
    new: str

    def apply(self, scope: Node) -> None:
        """Change the tree below ``scope``."""
        spot, _ = once(scope, self.what, statement=True)
        spot.put([spot.node, *statements(self.new)])


@dataclass(frozen=True)
class Inside:
    """A statement runs inside of ``with``."""

    what: str
    context: str

    def apply(self, scope: Node) -> None:
        """Change the tree below ``scope``."""
        spot, _ = once(scope, self.what, statement=True)
        (around,) = statements(f"with {self.context}:\n    pass")
        around.body = [spot.node]  # type: ignore[attr-defined]
        spot.put([around])


@dataclass(frozen=True)
class Answers:
    """A function does nothing but return a value."""

    value: str

    def apply(self, scope: Node) -> None:
        """Change the tree below ``scope``."""
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            raise NotOnce("only a function can answer")
        scope.body = list(statements(f"return {self.value}"))


@dataclass(frozen=True, init=False)
class Keywords:
    """Named arguments of the one call of a function or method of this name are others; None: left out."""

    call: str
    values: dict[str, str | None]

    def __init__(self, call: str, **values: str | None) -> None:
        object.__setattr__(self, "call", call)
        object.__setattr__(self, "values", values)

    def apply(self, scope: Node) -> None:
        """Change the tree below ``scope``."""
        calls = [node for node in ast.walk(scope) if isinstance(node, ast.Call) and called(node) == self.call]
        if len(calls) != 1:
            raise NotOnce(f"{len(calls)} calls of {self.call}")
        before = {keyword.arg for keyword in calls[0].keywords}
        if gone := {name for name, value in self.values.items() if value is None} - before:
            raise NotOnce(f"{self.call} is called without {', '.join(gone)}")
        kept = [keyword for keyword in calls[0].keywords if keyword.arg not in self.values]
        new = [ast.keyword(name, ast.parse(value, mode="eval").body) for name, value in self.values.items() if value]
        calls[0].keywords = kept + new


Mutation = Drop | Swap | Before | After | Inside | Answers | Keywords


@dataclass
class Spot:
    """Where a node hangs in the tree: the field of its parent, and the place in it if the field is a list."""

    node: Node
    parent: Node
    field: str
    held: Any
    index: int | None

    def put(self, new: Sequence[Node]) -> None:
        """Put others in the place of the node."""
        if self.index is not None:
            self.held[self.index : self.index + 1] = new
        else:
            (only,) = new
            setattr(self.parent, self.field, only)


def file_of(root: Path, at: str) -> Path:
    """The file of a place."""
    path = root.joinpath(*at.partition(":")[0].split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def planted(text: str, at: str, mutation: Mutation) -> str:
    """The text of a module with one place changed. Raises: NotOnce."""
    tree = ast.parse(text)
    mutation.apply(scope_of(tree, at))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def words_of(mutation: Mutation) -> set[str]:
    """The names that the new text of a mutation uses: a name that the code has no more would plant a crash, not a bug."""
    if isinstance(mutation, Keywords):
        texts = [value for value in mutation.values.values() if value]
    else:
        texts = [str(getattr(mutation, field)) for field in ("new", "context", "value") if hasattr(mutation, field)]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names = {node.id for node in nodes if isinstance(node, ast.Name)} - made - set(dir(builtins))
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def scope_of(tree: ast.Module, at: str) -> Node:
    """The function, class or assignment that a place names. Raises: NotOnce."""
    scope: Node = tree
    for name in at.partition(":")[2].split("."):
        found = [node for node in getattr(scope, "body", []) if name in names_of(node)]
        if len(found) != 1:
            raise NotOnce(f"{name} is {len(found)} times in {at}")
        scope = found[0]
    return scope


def names_of(node: Node) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def once(scope: Node, what: str, *, statement: bool = False) -> tuple[Spot, Fitted]:
    """The only place below ``scope`` that fits, and what its ``...`` stand for. Raises: NotOnce."""
    (wanted,) = statements(what) if statement else parsed(what)
    found = []
    for spot in spots(scope):
        fitted: Fitted = []
        if fits(wanted, spot.node, fitted):
            found.append((spot, fitted))
    if len(found) != 1:
        raise NotOnce(f"{what!r} fits {len(found)} places")
    (spot, fitted) = found[0]
    if isinstance(spot.parent, ast.Expr):  # an expression that is a statement: what happens, happens to the statement
        spot = spot_of(scope, spot.parent)
    return spot, fitted


def spot_of(scope: Node, node: Node) -> Spot:
    """Where a node hangs below ``scope``."""
    return next(spot for spot in spots(scope) if spot.node is node)


def spots(parent: Node) -> Iterator[Spot]:
    """Every node below ``parent`` with its place."""
    for field, value in ast.iter_fields(parent):
        nodes = value if isinstance(value, list) else [value]
        for index, node in enumerate(nodes):
            if isinstance(node, ast.AST):
                yield Spot(node, parent, field, value, index if isinstance(value, list) else None)
                yield from spots(node)


def parsed(text: str) -> list[Node]:
    """The one expression of a text, or its statements."""
    body = ast.parse(text).body
    return [body[0].value] if len(body) == 1 and isinstance(body[0], ast.Expr) else list(body)


def statements(text: str) -> list[ast.stmt]:
    """The statements of a text."""
    return ast.parse(text).body


def called(call: ast.Call) -> str:
    """The last part of the name that a call calls."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_rest(node: Any) -> bool:
    """True for ``...``, as an expression or as a statement."""
    return (isinstance(node, ast.Constant) and node.value is ...) or (isinstance(node, ast.Expr) and is_rest(node.value))


def fits(wanted: Any, found: Any, fitted: Fitted) -> bool:
    """True if a tree is as wanted; what ``...`` stands for is added to ``fitted``."""
    if is_rest(wanted) and isinstance(found, ast.expr):
        fitted.append(found)
        return True
    if isinstance(wanted, list):
        return fit_all(wanted, found, fitted)
    if not isinstance(wanted, ast.AST):
        return bool(wanted == found)
    if type(wanted) is not type(found):
        return False
    if isinstance(wanted, ast.Call) and wanted.args and is_rest(wanted.args[-1]):
        first = len(wanted.args) - 1
        if not (fits(wanted.func, found.func, fitted) and fit_all(wanted.args[:first], found.args[:first], fitted)):
            return False
        fitted.append([*found.args[first:], *found.keywords])
        return True
    if isinstance(wanted, ast.If) and is_open(wanted):
        fitted.append(found)
        return fits(wanted.test, found.test, fitted)
    return all(fits(value, getattr(found, field), fitted) for field, value in ast.iter_fields(wanted))


def is_open(branch: ast.If) -> bool:
    """True for an ``if`` of which a pattern leaves open what is below it."""
    return len(branch.body) == 1 and is_rest(branch.body[0])


def fit_all(wanted: list[Any], found: Any, fitted: Fitted) -> bool:
    """True if each of a list is as wanted, and there are no others."""
    return (
        isinstance(found, list)
        and len(wanted) == len(found)
        and all(fits(one, other, fitted) for one, other in zip(wanted, found, strict=True))
    )


def filled(node: Node, fitted: Fitted) -> Node:
    """A new tree in which each ``...`` is what that of the old text stood for."""
    left = iter(copy.deepcopy(fitted))

    class Filler(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> Any:
            return next(left) if node.value is ... else node

        def visit_Call(self, node: ast.Call) -> ast.Call:
            if not (node.args and is_rest(node.args[-1])):
                self.generic_visit(node)
                return node
            node.func = self.visit(node.func)
            given = [self.visit(one) for one in node.args[:-1]]
            rest = next(left)
            node.args = given + [one for one in rest if not isinstance(one, ast.keyword)]
            node.keywords = [one for one in rest if isinstance(one, ast.keyword)] + node.keywords
            return node

        def visit_If(self, node: ast.If) -> ast.If:
            if is_open(node):
                whole = next(left)
                node.body, node.orelse = whole.body, whole.orelse
            node.test = self.visit(node.test)
            return node

    new: Node = Filler().visit(copy.deepcopy(node))
    return new
