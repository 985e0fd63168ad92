"""Comparing what we offer with an inventory of an original client: every name, parameter, order, default and kind."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

Entry = Mapping[str, Any]

FIXTURES = Path(__file__).parents[1] / "fixtures"


def inventory(remote: str) -> list[Entry]:
    """Every entry of an original's inventory, in its order."""
    entries: list[Entry] = json.loads((FIXTURES / f"{remote}.api.json").read_text("utf-8"))
    return entries


def rooms(package: ModuleType) -> dict[str, Any]:
    """Every public name of every module below ``package``: where a class lives is the business of whoever writes it."""
    names: dict[str, Any] = {}
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        names |= vars(importlib.import_module(found.name))
    strangers = {n for n, v in names.items() if inspect.isclass(v) and not v.__module__.startswith(package.__name__)}
    return {n: v for n, v in names.items() if not n.startswith("_") and n not in strangers}


def differences(ours: Any, entry: Entry, extra: Mapping[str, set[str]]) -> list[str]:
    """What the methods of our class have other than the entry's.

    ``extra``: further keyword-only parameters that are allowed, by ``Class.method``.
    """
    found = []
    for method in entry["methods"]:
        where = f"{entry['class']}.{method['name']}"
        mine = inspect.getattr_static(ours, method["name"], None)
        if mine is None:
            found.append(f"{where} is missing")
        elif method["kind"] == "property":
            found += [] if isinstance(mine, property) else [f"{where} is no property"]
        else:
            if inspect.iscoroutinefunction(getattr(ours, method["name"])) != method["kind"].startswith("async"):
                found.append(f"{where} is not {method['kind']}")
            found += parameter_differences(where, getattr(ours, method["name"]), method["params"], extra.get(where, set()))
    return found


def parameter_differences(where: str, call: Any, expected: list[Entry], extra: set[str]) -> list[str]:
    """What the parameters of ``call`` have other than ``expected``."""
    mine = [p for p in inspect.signature(call).parameters.values() if p.name != "self"]
    more = {p.name for p in mine if p.kind is p.KEYWORD_ONLY and p.name in extra}
    got = [shown(p) for p in mine if p.name not in more]
    want = [(p["name"], p["kind"], p["default"] if not p["required"] else None) for p in expected]
    return [] if got == want else [f"{where}: {got} instead of {want}"]


def shown(parameter: inspect.Parameter) -> tuple[str, str, str | None]:
    """Name, kind and default of a parameter as inventories write them."""
    default = None if parameter.default is parameter.empty else repr(parameter.default)
    return parameter.name, parameter.kind.name.lower(), default
