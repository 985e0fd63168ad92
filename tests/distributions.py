"""Packages that are installed for one test: a folder on the search path with what an installer leaves there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

GROUP = "syncer.remotes"


def install(folder: Path, name: str, modules: Mapping[str, str], remotes: Mapping[str, str], version: str = "1.0") -> Path:
    """Modules (file name to source) and the entry points ``remotes`` of one distribution, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, source in modules.items():
        (folder / file).write_text(source, "utf-8")
    return register(folder, name, version, remotes)


def install_project(folder: Path, project: Path) -> Path:
    """The project with this folder (its ``pyproject.toml`` and modules), as an editable installation leaves it."""
    told = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    folder.mkdir(parents=True, exist_ok=True)
    for path in project.iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            (folder / path.name).symlink_to(path)
    return register(folder, told["name"], told["version"], told["entry-points"][GROUP])


def register(folder: Path, name: str, version: str, remotes: Mapping[str, str]) -> Path:
    """The ``.dist-info`` of a distribution; the folder."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    lines = [f"{remote} = {value}" for remote, value in remotes.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]), "utf-8")
    return folder
