"""Build the reference pages of the public classes from their signatures and docstrings: ``python docs/build.py``.

A test rebuilds them and compares, so a page never says something else than the code.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_origin

HERE = Path(__file__).parent
PACKAGES = {
    "plexus": "Plexus's Python classes",
    "prefactor": "Prefactor's Python client",
    "abeja": "ABEJA's API client",
}
SKIPPED = {"BaseModel"}
"""The base of all models: its methods stand on every page."""


def pages() -> dict[Path, str]:
    """Every page by its path below ``docs/``."""
    found: dict[Path, str] = {}
    for package, title in PACKAGES.items():
        classes = sorted(classes_of(package), key=lambda c: c.__name__)
        found |= {Path(package) / f"{cls.__name__}.md": page(cls, package) for cls in classes}
        lines = [f"- [{cls.__name__}]({cls.__name__}.md): {first_line(cls)}" for cls in classes]
        found[Path(package) / "README.md"] = f"# {title}\n\n" + "\n".join(lines) + "\n"
    return found


def classes_of(package: str) -> list[type]:
    """The public classes of a package that have behaviour of their own."""
    module = __import__(f"syncer.{package}", fromlist=["*"])
    named = [getattr(module, name) for name in module.__all__]
    return [c for c in named if inspect.isclass(c) and c.__name__ not in SKIPPED and not issubclass(c, Exception)]


def page(cls: type, package: str) -> str:
    """The page of one class."""
    parts = [f"# {cls.__name__}", f"`from syncer.{package} import {cls.__name__}`", markdown(inspect.getdoc(cls) or "")]
    parts.append(f"```python\n{signature(cls.__name__, cls)}\n```")
    attributes = list(attributes_of(cls))
    if attributes:
        parts.append("## Attributes\n\n" + "\n".join(f"- `{name}`: `{kind}`" for name, kind in attributes))
    methods = list(methods_of(cls))
    if methods:
        parts.append("## Methods")
        parts += [f"### {name}\n\n```python\n{text}\n```\n\n{markdown(doc)}" for name, text, doc in methods]
    return "\n\n".join(part for part in parts if part) + "\n"


def attributes_of(cls: type) -> Iterator[tuple[str, str]]:
    """Attributes with their types: those of a data class, and of a pydantic model."""
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            if not field.name.startswith("_"):
                yield field.name, str(field.type)
    for name, field in getattr(cls, "model_fields", {}).items():
        yield name, annotation(field.annotation)


def methods_of(cls: type) -> Iterator[tuple[str, str, str]]:
    """Public methods: name, signature, docstring; those inherited from a base of ours included."""
    seen: set[str] = set()
    for owner in (c for c in cls.__mro__ if c.__module__.startswith("syncer.")):
        for name, static in vars(owner).items():
            described = inspect.isroutine(static) or isinstance(static, property | cached_property)
            if name.startswith("_") or name in {*seen, "model"} or not described:
                continue
            seen.add(name)
            if isinstance(static, property | cached_property):
                getter = static.fget if isinstance(static, property) else static.func
                yield name, f"property {name}{returned(getter)}", inspect.getdoc(static) or ""
            else:
                yield name, declaration(cls, name, static), inspect.getdoc(getattr(cls, name)) or ""


def declaration(cls: type, name: str, static: Any) -> str:
    """How a method is declared."""
    call = getattr(cls, name)
    kind = {classmethod: "@classmethod\n", staticmethod: "@staticmethod\n"}.get(type(static), "")
    plain = "async def" if inspect.iscoroutinefunction(call) else "def"
    return f"{kind}{plain} {signature(name, call)}{returned(call)}"


def signature(name: str, call: Any) -> str:
    """Name and parameters, one a line where one line is too long."""
    shown: list[str] = []
    for parameter in inspect.signature(call).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        shown.append(declared(parameter))
    whole = f"{name}({', '.join(shown)})"
    return whole if len(whole) <= 100 else f"{name}(\n" + "".join(f"    {part},\n" for part in shown) + ")"


def declared(parameter: inspect.Parameter) -> str:
    """One parameter as it is written in the code."""
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = stars + parameter.name
    annotated = parameter.annotation is not parameter.empty
    if annotated:
        text += f": {annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += (" = " if annotated else "=") + repr(parameter.default)
    return text


def annotation(found: Any) -> str:
    """A type as it is written in the code."""
    while get_origin(found) is Annotated:
        found = found.__origin__
    text = found if isinstance(found, str) else inspect.formatannotation(found).replace("typing.", "")
    text = re.sub(r"^InitVar\[(.*)\]$", r"\1", text)
    return re.sub(r"\b(_BaseAPIClient|Session)\b", "PlexusDashboardClient", text)


def returned(call: Any) -> str:
    """The arrow and what it points at."""
    found = inspect.signature(call).return_annotation
    return "" if found is inspect.Signature.empty else f" -> {annotation(found)}"


def first_line(cls: type) -> str:
    """The first line of a docstring."""
    return markdown((inspect.getdoc(cls) or "").split("\n")[0])


def markdown(text: str) -> str:
    """A docstring as Markdown."""
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text)
    text = text.replace("``", "`")
    return re.sub(r"\b(Raises|Source):", r"**\1:**", text)


def main() -> None:
    """Write the pages, and remove those of classes that are gone."""
    found = pages()
    for package in PACKAGES:
        for path in (HERE / package).glob("*.md"):
            if path.relative_to(HERE) not in found:
                path.unlink()
    for path, text in found.items():
        (HERE / path).parent.mkdir(exist_ok=True)
        (HERE / path).write_text(text, "utf-8")
    sys.stdout.write(f"{len(found)} pages\n")


if __name__ == "__main__":
    main()
