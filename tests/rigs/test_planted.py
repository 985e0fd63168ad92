"""R9: bugs planted into a copy of the engine are caught by the tests that are there for them.

CI looks at every bug's text and plants the quickest three. All of them:
``SYNCER_RIG=2 python -m pytest tests/rigs/test_planted.py -s``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rigs import settings
from tests.rigs.planted import BUGS, QUICK, Bug

ROOT = Path(__file__).parents[2]
FAILED = 1
LIMIT_S = 120
PLANTED = [bug for bug in BUGS if settings.scale > 1 or bug.name in QUICK]
_GUARD = """
import pathlib
import syncer
assert pathlib.Path(syncer.__file__).is_relative_to(pathlib.Path.cwd()), syncer.__file__
"""
Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is, in a folder where it may be spoilt."""
    folder = tmp_path_factory.mktemp("planted")
    for name in ("syncer", "migrations", "tests"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy2(ROOT / "pyproject.toml", folder)
    (folder / "guard.py").write_text(_GUARD)
    return folder


@pytest.fixture(scope="module")
def run(copy: Path) -> Run:
    """Runs selections of tests on the copy."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SYNCER_")} | {"PYTHONPATH": str(copy)}

    def once(tests: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "guard", *tests.split()]
        return subprocess.run(line, cwd=copy, env=env, capture_output=True, text=True, timeout=LIMIT_S * 4)

    return once


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_every_bug_can_be_planted(bug: Bug) -> None:
    """Its text stands once in the source, the spoilt file is Python, its tests and its invariant exist [I1-I33]."""
    text = (ROOT / bug.file).read_text("utf-8")
    assert text.count(bug.old) == 1, f"{bug.file} has moved on: give {bug.name!r} its text of today"
    spoilt = text.replace(bug.old, bug.new)
    assert spoilt != text
    compile(spoilt, bug.file, "exec")
    for test in bug.tests.split():
        file, _, name = test.partition("::")
        outer = name.partition("::")[0].partition("[")[0]  # a class, where the test itself is inherited
        assert re.search(rf"(def|class) {outer}\(", (ROOT / file).read_text("utf-8")), test
    assert re.fullmatch(r"I([1-9]|1\d|2[0-5]|33)", bug.invariant)


def test_the_quick_ones_are_there() -> None:
    """What CI plants is named as it is called, and no name stands for two bugs."""
    assert len(PLANTED) >= len(QUICK) == 3
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 16


def test_the_tests_pass_without_a_bug(run: Run) -> None:
    """The tests that must catch the bugs hold on the copy as it is: else catching would mean nothing [I1-I25]."""
    done = run(" ".join(dict.fromkeys(bug.tests for bug in PLANTED)))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def test_planted_bugs_are_caught(copy: Path, run: Run) -> None:
    """Each bug, alone in the copy, makes its tests fail: by an assertion, not by breaking everything [I1-I25]."""
    slipped = []
    for bug in PLANTED:
        file = copy / bug.file
        text = file.read_text("utf-8")
        file.write_text(text.replace(bug.old, bug.new), "utf-8")
        try:
            done = run(bug.tests)
        finally:
            file.write_text(text, "utf-8")
        if (
            done.returncode != FAILED
            or not re.search(r"\d+ failed", done.stdout)
            or " error" in done.stdout.splitlines()[-1]
        ):
            slipped.append((bug.invariant, bug.name, done.returncode, done.stdout[-600:] + done.stderr[-600:]))
    assert not slipped, "\n".join(map(str, slipped))
    settings.tally("planted", known=len(BUGS), planted=len(PLANTED), caught=len(PLANTED) - len(slipped))
