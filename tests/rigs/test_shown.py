"""What a remote calls things, and what it writes, steers neither a terminal nor a spreadsheet nor a file system."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.config import Settings
from syncer.errors import InvalidInput
from syncer.plexus.scores.files import code_path, guidelines_path, prepared, root
from syncer.sandbox.server import Sandbox
from tests.cli.conftest import Syncer
from tests.factory import scoring
from tests.rigs.settings import tally

NAMES = (
    "../../../etc/cron.d/x", "/etc/passwd", "..", ".", "", "~", "~root", "a/../../b", "..\\..\\x", "C:\\x", "CON", "nul.txt",
    "a\0b", "a\nb", "\x1b]0;x\x07", "x" * 5000, "\u202egnp.exe", "-rf", "$(id)", "`id`", "%2e%2e%2f", "a" * 200 + "/../..",
    "\ud800", "aux", " . ", "...", "﹒﹒/x", "／etc", "‥/x",
)  # fmt: skip


def test_names_from_elsewhere_are_never_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of scores stay in their folder whatever scorecard and score are called, or the name is refused [I25]."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCORECARD_CACHE_DIR", str(tmp_path / "cards"))
    refused = 0
    for card in NAMES:
        for score in NAMES:
            for where in (code_path, guidelines_path):
                try:
                    path = prepared(where(card, score))
                    path.write_text("x")
                except InvalidInput:
                    refused += 1
                    continue
                assert path.resolve().is_relative_to(root().resolve()), (card, score)
    assert {p.name for p in tmp_path.iterdir()} <= {"cards", "config", "data"}
    tally("names", inputs=2 * len(NAMES) ** 2, refused=refused, outside=0)


STEERING = (
    "\x1b[2J\x1b]52;c;QUFB\x07\x1bP+q\x1b\\\x9b31m\x90\x85\u202eevil\u2066\u2028\r\n\x08\x7f\u200b\u2060\ufff9\U000e0041"
)
_OUR_COLOURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[hl]|\x1b\[[0-9]*[ABCDGJK]|\r")
_HARM = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def _commands(key: str) -> list[tuple[str, ...]]:
    return [
        ("status",), ("outbox", "list"), ("outbox", "show", "1"), ("outbox", "show", "2"), ("conflicts", "list"),
        ("conflicts", "show", key), ("query", "SELECT * FROM plexus_item"), ("query", "SELECT * FROM outbox"), ("tables",),
        ("verify",), ("sync",), ("push",), ("-v", "sync"), ("plan",), ("explain", key), ("history", key), ("doctor",),
    ]  # fmt: skip


def test_nothing_printed_steers_the_terminal(fresh: Syncer, sandbox: Sandbox) -> None:
    """Text of records and refusals shows its control characters as escapes, on a terminal and in a pipe [I25]."""
    fresh.env |= {**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
    with Workspace(Settings(str(fresh.path), environ=fresh.env)) as ws:
        item = scoring(ws)["itemId"]
        ws.sync("plexus")
        sandbox.edit("Item", item, description=STEERING, text=STEERING)
        ws.plexus.update("Item", item, {"description": "ours " + STEERING})
        ws.sync("plexus")
        refusal = json.dumps({"errors": [{"errorType": STEERING, "message": STEERING}]}).encode()
        sandbox.faults.fail_next(400, body=refusal)
        ws.plexus.update("Account", ws.plexus.find("Account")[0]["id"], {"description": STEERING})
        ws.push("plexus", wait_s=0)
    for words in _commands(item):
        piped = fresh(*words)
        assert "Traceback" not in piped.err, words
        if words[0] != "query":  # csv is data: piped as it is
            assert not _HARM.search(piped.out), words
        assert not _HARM.search(piped.err), words
        assert not _HARM.search(fresh(*words, "--json").out), words
    for words in _commands(item)[:8]:
        seen = fresh.on_terminal(*words).out
        assert not _HARM.search(_OUR_COLOURS.sub("", seen)), words
    tally("terminal", commands=3 * len(_commands(item)), steering=0)


def test_no_traceback_steers_the_terminal(filled: Syncer) -> None:
    """With -v the words of an error stand in a traceback too, its lines kept; JSON stays JSON that says the same [I25]."""
    ended = filled("-v", "query", f'SELECT * FROM "{STEERING}"', "--json")
    assert "Traceback (most recent call last):\n" in ended.err
    assert not _HARM.search(ended.err)
    assert not _HARM.search(ended.out)
    assert filled("query", "SELECT :c AS c", "-p", f"c:={json.dumps(STEERING)}", "--json").json == [{"c": STEERING}]


@pytest.mark.parametrize("form", ["csv", "tsv"])
@pytest.mark.parametrize(
    "cell", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")']
)
def test_cells_are_no_formulas(filled: Syncer, form: str, cell: str) -> None:
    """A spreadsheet that opens our csv or tsv computes nothing of what a remote wrote, not even a column's name [I25]."""
    out = filled("query", "SELECT :c AS c", "-p", f"c:={json.dumps(cell)}", "--format", form).out
    quoted = out.split("\n", 1)[1].lstrip('"')
    assert quoted.startswith("'")
    named = filled("query", f'SELECT 1 AS "{cell.replace(chr(34), chr(34) * 2)}"', "--format", form).out
    assert named.lstrip('"').startswith("'")
