"""The house: small modules, described errors, every room in its place."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import syncer
from syncer import errors

ROOT = Path(__file__).parents[1]
LONGEST = 700  # no measure of an idea, only an alarm: a file is one noun


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted((ROOT / "syncer").rglob("*.py"))


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    """A module that grows past 700 lines has stopped being one idea."""
    long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > LONGEST}
    assert long == {}


def only_re_exports(path: Path) -> bool:
    """True for a module of a docstring and imports: it stands where an original client has one, and bears that name."""
    return all(isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in ast.parse(path.read_text()).body)


def test_no_grab_bags() -> None:
    """Nothing is called utils, helpers, common, misc or base, but for what an original client calls so."""
    named = [p for p in modules() if re.fullmatch(r"_?(utils?|helpers?|common|misc|base)\.py", p.name)]
    assert [p.name for p in named if not only_re_exports(p)] == []


def described(node: ast.AST) -> bool:
    """True for what needs no docstring, or has one."""
    needs = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    return not needs or ast.get_docstring(node) is not None  # type: ignore[arg-type]


def test_public_things_are_described() -> None:
    """Every module, public class, public function, and method that overrides nothing says what you get."""
    bare = []
    for path in modules():
        tree = ast.parse(path.read_text())
        owners: list[ast.Module | ast.ClassDef] = [tree]
        owners += [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_") and not n.bases]
        for owner in owners:
            name = getattr(owner, "name", "")
            bare += [f"{path.relative_to(ROOT)}:{name}.{n.name}" for n in owner.body if not described(n)]  # type: ignore[attr-defined]
        if ast.get_docstring(tree) is None:
            bare.append(str(path.relative_to(ROOT)))
    assert bare == []


def test_every_error_has_a_code_of_its_own() -> None:
    """Programs tell errors apart by their code; the exit code is one of the documented ones."""
    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, errors.SyncerError)]
    codes = [k.code for k in kinds]
    assert len(set(codes)) == len(codes)
    assert {k.exit_code for k in kinds} == {1, 2, 3, 4, 5}
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    assert all(k.__name__ in (errors.__doc__ or "") for k in kinds)


def test_everything_imports() -> None:
    """No module depends on the order in which others are imported."""
    for found in pkgutil.walk_packages(syncer.__path__, "syncer."):
        importlib.import_module(found.name)


def test_the_public_names_exist() -> None:
    """What ``__all__`` promises can be imported from the top."""
    for name in syncer.__all__:
        assert getattr(syncer, name) is not None


def test_the_sdist_names_what_is_there() -> None:
    """The build lists only files that exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [name for name in listed if not (ROOT / name).exists()] == []


def test_every_test_says_what_it_holds() -> None:
    """Every test has its sentence."""
    bare = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and ast.get_docstring(node) is None:
                bare.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert bare == []
