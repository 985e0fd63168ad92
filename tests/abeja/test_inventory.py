"""The public names of abeja-sdk's run client, each as its inventory has it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import syncer.abeja
from syncer.adapters.abeja import credentials
from syncer.adapters.abeja.exceptions import BY_STATUS, HttpError
from tests.prefactor.inventory import Entry, differences, inventory, parameter_differences, rooms

STILL_TO_COME = {"Connection"}
"""Names whose code does not exist yet. Take a name off as soon as it does: it is then checked like all others."""

OURS = rooms(syncer.abeja)
EXTRA = {"APIClient.__init__": {"workspace"}, "BaseAPIClient.__init__": {"workspace"}}
ENTRIES = inventory("abeja")
CLASSES = [e for e in ENTRIES if e["class"] != "(module)"]
MODULES = [e for e in ENTRIES if e["class"] == "(module)"]
PRESENT = [pytest.param(e, id=e["class"]) for e in CLASSES if e["class"] in OURS]
EXCEPTIONS = [pytest.param(e, id=e["class"]) for e in CLASSES if e["kind"].startswith("exception")]
FUNCTIONS = [pytest.param(f, id=f["name"]) for e in MODULES for f in e["methods"]]
CONSTANTS = [(name, facts["default"]) for e in MODULES for name, facts in e["attributes"].items()]


def test_what_is_still_to_come_is_known() -> None:
    """A name is missing exactly as long as it is listed as still to come."""
    assert {e["class"] for e in CLASSES} - OURS.keys() == STILL_TO_COME


@pytest.mark.parametrize("entry", PRESENT)
def test_methods(entry: Entry) -> None:
    """Every method has the original's parameters: names, order, defaults and kinds."""
    assert differences(OURS[entry["class"]], entry, EXTRA) == []


@pytest.mark.parametrize("entry", EXCEPTIONS)
def test_exceptions(entry: Entry) -> None:
    """Bases, attributes and statuses are the original's, and each is importable from the package."""
    ours = getattr(syncer.abeja, entry["class"])
    assert [base.__name__ for base in ours.__bases__] == entry["bases"]
    if "http_status" in entry:
        assert BY_STATUS[entry["http_status"]] is ours
    if issubclass(ours, HttpError):
        assert list(vars(ours("e", "d"))) == list(entry["attributes"])


def test_no_other_status_has_a_class() -> None:
    """Statuses without a class of their own in the original have none here."""
    assert set(BY_STATUS) == {e["http_status"] for e in CLASSES if "http_status" in e}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions(function: Entry) -> None:
    """Every function of the original is here, with its parameters."""
    ours = getattr(credentials, function["name"])
    assert inspect.isfunction(ours)
    assert parameter_differences(function["name"], ours, function["params"], set()) == []


@pytest.mark.parametrize(("name", "value"), CONSTANTS)
def test_constants(name: str, value: Any) -> None:
    """Every constant of the original is here, with its value."""
    assert getattr(credentials, name) == value


def test_the_package() -> None:
    """What exists can be imported from the package; a misspelt import says so."""
    for name in set(syncer.abeja.__all__) - STILL_TO_COME:
        assert getattr(syncer.abeja, name) is OURS[name]
    assert set(syncer.abeja.__all__) <= set(dir(syncer.abeja))
    with pytest.raises(AttributeError, match="has no attribute 'ApiClient'"):
        _ = syncer.abeja.ApiClient
