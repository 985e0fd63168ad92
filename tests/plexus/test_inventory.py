"""The public names of Plexus's own Python client, each as its inventory has it."""

from __future__ import annotations

import inspect

import pytest

import syncer.plexus
import syncer.plexus.models
from tests.prefactor.inventory import Entry, differences, inventory

EXTRA = {f"{name}.__init__": {"workspace"} for name in ("PlexusDashboardClient", "_BaseAPIClient")}
EXTRA |= {f"PlexusDashboardClient.{name}": {"workspace"} for name in ("for_account", "for_scorecard")}
ENTRIES = inventory("plexus")
NAMED = [pytest.param(e, id=e["class"]) for e in ENTRIES]
MODELS = [e["class"] for e in ENTRIES if e["module"].startswith("plexus.dashboard.api.models")]


@pytest.mark.parametrize("entry", NAMED)
def test_methods(entry: Entry) -> None:
    """Every method has the original's parameters (names, order, defaults) and is of the original's kind."""
    assert differences(getattr(syncer.plexus, entry["class"]), entry, EXTRA) == []


@pytest.mark.parametrize("entry", NAMED)
def test_class_methods(entry: Entry) -> None:
    """What is called on the class in the original is called on the class here."""
    ours = getattr(syncer.plexus, entry["class"])
    wanted = {m["name"] for m in entry["methods"] if "classmethod" in m["kind"]}
    plain = {m["name"] for m in entry["methods"]} - wanted
    statics = {name: inspect.getattr_static(ours, name) for name in wanted | plain}
    assert {name for name, found in statics.items() if isinstance(found, classmethod)} >= wanted
    assert not {name for name in plain if isinstance(statics[name], classmethod | staticmethod)} - {"generate_cache_key"}


@pytest.mark.parametrize("entry", NAMED)
def test_bases(entry: Entry) -> None:
    """Whoever checks for a base class finds it."""
    ours = getattr(syncer.plexus, entry["class"])
    assert entry["bases"][0] in [base.__name__ for base in ours.__mro__]


@pytest.mark.parametrize("entry", NAMED)
def test_attributes_are_there(entry: Entry) -> None:
    """Every documented attribute is declared, so that editors and type checkers know it."""
    ours = getattr(syncer.plexus, entry["class"])
    declared = {name for base in ours.__mro__ for name in [*vars(base), *getattr(base, "__annotations__", {})]}
    if entry["class"] == "_BaseAPIClient":
        declared |= set(inspect.signature(ours).parameters) | {"auth_mode", "api_region"}
    assert set(entry["attributes"]) - declared == set()


def test_models_are_importable_from_both_places() -> None:
    """``syncer.plexus`` and ``syncer.plexus.models`` offer the same classes."""
    assert MODELS
    assert all(getattr(syncer.plexus.models, name) is getattr(syncer.plexus, name) for name in MODELS)
