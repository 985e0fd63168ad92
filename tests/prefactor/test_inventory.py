"""The public names of prefactor-http 0.1.0, each as its inventory has it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import types
from typing import Any, Literal, TypeVar, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import syncer.prefactor
from syncer.prefactor.models import AgentStatus, FinishStatus
from tests.prefactor.inventory import Entry, differences, inventory, rooms

STILL_TO_COME: set[str] = set()
"""Names whose code does not exist yet. Take a name off as soon as it does: it is then checked like all others."""

OURS = rooms(syncer.prefactor)
EXTRA = {
    "PrefactorHttpClient.__init__": {"workspace"},
    "AgentInstanceClient.__init__": {"workspace"},
    "AgentSpanClient.__init__": {"workspace"},
    "BulkClient.__init__": {"workspace"},
    "RetryHandler.__init__": {"what", "sleep"},
}
ENTRIES = inventory("prefactor")
CLASSES = [e for e in ENTRIES if e["class"] != "(module)"]
PRESENT = [e for e in CLASSES if e["class"] in OURS]


def of_kind(*kinds: str) -> list[Any]:
    """Entries of these kinds, as parameters named after their class."""
    return [pytest.param(e, id=e["class"]) for e in PRESENT if e["kind"].split(" (")[0] in kinds]


def test_what_is_still_to_come_is_known() -> None:
    """A name is missing exactly as long as it is listed as still to come."""
    present = {e["class"] for e in PRESENT}
    assert {e["class"] for e in CLASSES} - present == STILL_TO_COME


@pytest.mark.parametrize("entry", [pytest.param(e, id=e["class"]) for e in PRESENT])
def test_methods(entry: Entry) -> None:
    """Every method has the original's parameters: names, order, defaults and kinds."""
    assert differences(OURS[entry["class"]], entry, EXTRA) == []


@pytest.mark.parametrize("entry", of_kind("exception"))
def test_exceptions_derive_as_in_the_original(entry: Entry) -> None:
    """Whoever catches a base class catches the same errors as before."""
    ours = OURS[entry["class"]]
    assert [base.__name__ for base in ours.__bases__] == entry["bases"]


@pytest.mark.parametrize("entry", of_kind("pydantic model"))
def test_models(entry: Entry) -> None:
    """Every model has the original's fields: names, order, types, defaults, aliases and limits."""
    ours = OURS[entry["class"]]
    assert [base.__name__ for base in ours.__bases__] == entry["bases"]
    listed = {name: {**a, "type": a["type"].replace("dict[str, Any]", "dict")} for name, a in entry["attributes"].items()}
    assert {name: field_as_listed(field) for name, field in ours.model_fields.items()} == listed
    assert list(ours.model_fields) == list(listed)
    if "extra fields: allow" in entry.get("note", ""):
        assert ours.model_config["extra"] == "allow"


@pytest.mark.parametrize("entry", of_kind("dataclass"))
def test_configuration(entry: Entry) -> None:
    """The configuration is a mutable dataclass with the original's fields in order."""
    ours = OURS[entry["class"]]
    assert [f.name for f in dataclasses.fields(ours)] == list(entry["attributes"])
    assert [f.type for f in dataclasses.fields(ours)] == [a["type"] for a in entry["attributes"].values()]
    assert not ours.__dataclass_params__.frozen


@pytest.mark.parametrize("entry", of_kind("type alias"))
def test_statuses(entry: Entry) -> None:
    """The status types have the original's values."""
    assert list(get_args(OURS[entry["class"]])) == entry["attributes"]["values"]


def test_the_package() -> None:
    """``__all__`` and ``__version__`` are the original's, and what exists can be imported from the package."""
    (module,) = [e for e in ENTRIES if e["class"] == "(module)"]
    assert syncer.prefactor.__all__ == module["attributes"]["__all__"]["default"]
    assert syncer.prefactor.__version__ == module["attributes"]["__version__"]["default"]
    assert {e["class"] for e in CLASSES if e["exported_from_package_root"]} == set(syncer.prefactor.__all__)
    for name in set(syncer.prefactor.__all__) - STILL_TO_COME:
        assert getattr(syncer.prefactor, name) is OURS[name]
    assert set(syncer.prefactor.__all__) <= set(dir(syncer.prefactor))


def test_the_package_is_cheap_to_import() -> None:
    """Importing the package loads pydantic only when a model is used."""
    code = "import sys, syncer.prefactor as p; assert 'pydantic' not in sys.modules; p.AgentSpan; sys.modules['pydantic']"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt import says so."""
    with pytest.raises(AttributeError, match="has no attribute 'PrefactorHttpKlient'"):
        _ = syncer.prefactor.PrefactorHttpKlient


def field_as_listed(field: FieldInfo) -> dict[str, Any]:
    """A pydantic field in the words of the inventory."""
    listed: dict[str, Any] = {"type": spelled(field.annotation)}
    listed |= {"required": True} if field.is_required() else {"default": field.default}
    if field.alias is not None:
        listed["alias_on_wire"] = field.alias
    for limit in field.metadata:
        listed |= {name: getattr(limit, name) for name in ("min_length", "max_length") if hasattr(limit, name)}
    return listed


def spelled(annotation: Any) -> str:
    """A type as the inventory writes it, ``dict`` standing for ``dict[str, Any]``."""
    if annotation == dict[str, Any]:
        return "dict"
    for name, alias in (("AgentStatus", AgentStatus), ("FinishStatus", FinishStatus)):
        if annotation == alias:
            return name
    if get_origin(annotation) is Literal:
        return "Literal[" + ", ".join(f'"{value}"' for value in get_args(annotation)) + "]"
    if isinstance(annotation, TypeVar):
        return annotation.__name__
    parts = [spelled(part) for part in get_args(annotation)]
    if get_origin(annotation) in (list, dict):
        return f"{get_origin(annotation).__name__}[{', '.join(parts)}]"
    if parts:
        return " | ".join(parts)
    return "None" if annotation is types.NoneType else annotation.__name__


def test_the_listing_tells_types_apart() -> None:
    """The comparison of types is not satisfied by anything."""

    class Sample(BaseModel):
        wide: dict[str, dict[str, Any]] | None
        narrow: FinishStatus | None
        many: list[int]

    listed = {name: field_as_listed(field)["type"] for name, field in Sample.model_fields.items()}
    assert listed == {"wide": "dict[str, dict] | None", "narrow": "FinishStatus | None", "many": "list[int]"}
