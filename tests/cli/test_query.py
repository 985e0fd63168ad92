"""``query``: every format, harmless output, helpful refusals."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.cli.conftest import NASTY, Syncer

_ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("table", "n  text\n-  ----\n1  a|b\n2  NULL\n"),
        ("json", '[{"n": 1, "text": "a|b"},\n {"n": 2, "text": null}]\n'),
        ("jsonl", '{"n": 1, "text": "a|b"}\n{"n": 2, "text": null}\n'),
        ("csv", "n,text\n1,a|b\n2,\n"),
        ("tsv", "n\ttext\n1\ta|b\n2\t\n"),
        ("md", "| n | text |\n| --- | --- |\n| 1 | a\\|b |\n| 2 |  |\n"),
    ],
)
def test_formats(filled: Syncer, form: str, expected: str) -> None:
    """Each format is exactly this, so that programs can rely on it."""
    assert filled("query", "-f", form, "SELECT 1 AS n, 'a|b' AS text UNION ALL SELECT 2, NULL").out == expected


def test_default_format(filled: Syncer) -> None:
    """A table on a terminal, csv in a pipe, ``--json`` is json."""
    assert filled("query", "SELECT 1 AS n, 2 AS m").out == "n,m\n1,2\n"
    assert filled("query", "SELECT 1 AS n", "--json").json == [{"n": 1}]
    assert "n  m\n" in filled.on_terminal("query", "SELECT 1 AS n, 2 AS m", env={"NO_COLOR": "1"}).out


def test_parameters(filled: Syncer) -> None:
    """Plain values are numbers only when they look exactly like one; ``:=`` takes JSON; ``-`` reads the SQL."""
    given = ["i=42", "f=-1.5", "zip=007", "t=a=b", "n:=null", 'x:="42"', "j:=[1]"]
    ended = filled(
        "query",
        "-",
        "--json",
        *(word for text in given for word in ("-p", text)),
        stdin="SELECT :i AS i, :f AS f, :zip AS zip, :t AS t, :n AS n, :x AS x, :j AS j",
    )
    assert ended.json == [{"i": 42, "f": -1.5, "zip": "007", "t": "a=b", "n": None, "x": "42", "j": "[1]"}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("SELECT * FROM plexus_itm",), "did you mean plexus_item"),
        (("SELECT descripton FROM plexus_item",), "did you mean description"),
        (("SELEC 1",), "SQLite refused the query"),
        (("",), "that is no query"),
        (("DELETE FROM outbox",), "a query can only read"),
        (("ATTACH 'x.db' AS x",), "a query can only read"),
        (("SELECT 1; DELETE FROM outbox",), "one statement at a time"),
        (("SELECT :a",), "-p NAME=VALUE gives a value for :NAME"),
        (("SELECT 1", "-p", "nonsense"), "'nonsense' is no parameter"),
        (("SELECT :a", "-p", "a:=nonsense"), "the value of a is not JSON"),
        (("--timeout", "0.2", f"SELECT count(*) FROM ({_ENDLESS})"), "--timeout allows more"),
    ],
)
def test_refused(filled: Syncer, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, one sentence and a way on; with ``--json`` an object as well."""
    before = filled("query", "SELECT count(*) FROM outbox").out
    ended = filled("query", "--json", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert ended.err.count("\n") <= 2
    assert ended.error["what"]
    assert filled("query", "SELECT count(*) FROM outbox").out == before


def test_limit(filled: Syncer) -> None:
    """An endless query ends at its limit, and a note says that there was more."""
    ended = filled("query", _ENDLESS, "--limit", "2")
    assert (ended.code, ended.out) == (0, "x\n1\n2\n")
    assert "only the first 2 rows" in ended.err


def test_formulas_are_defused(filled: Syncer) -> None:
    """Text that a spreadsheet would run gets an apostrophe; numbers stay, also those kept as text; ``--raw`` is raw."""
    sql = "SELECT '=1+1' a, '+x' b, '-x' c, '@x' d, char(9) || 'x' e, char(13) || 'x' f, -1 g, '-1.5' h, 'x=1' i"
    expected = ["'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx", "-1", "-1.5", "x=1"]
    ended = filled("query", sql)
    read = next(csv.DictReader(io.StringIO(ended.out, newline="")))
    assert list(read.values()) == [
        value.replace("\r", "\n") for value in expected
    ]  # captured as text: a return is a line end
    assert "\n=1+1,+x" in filled("query", sql, "--raw").out


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "tsv", "md"])
def test_data_cannot_steer_a_terminal(filled: Syncer, form: str) -> None:
    """In no format does a control character or a change of direction reach a terminal; as JSON the value survives."""
    sql = "SELECT id, description FROM plexus_item WHERE id = 'item-1'"
    seen = filled.on_terminal("query", "-f", form, sql, env={"NO_COLOR": "1"}).out
    assert not {"\x1b", "\x07", "\u202e"} & set(seen)
    assert "red" in seen
    if form in ("json", "jsonl"):
        decoded = json.loads(seen)
        assert (decoded[0] if form == "json" else decoded)["description"] == NASTY


def test_colour_and_width(filled: Syncer) -> None:
    """Colour only on a terminal that wants it, long cells cut only there, and a row that fits in no table is turned."""
    sql = "SELECT 'short' AS a, printf('%.200c', 'x') AS b"
    seen = filled.on_terminal("query", sql).out
    assert "\x1b[1ma" in seen
    assert "…" in seen
    assert all(len(line) <= 88 for line in seen.split("\n"))
    for quiet in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in filled.on_terminal("query", sql, env=quiet).out
    assert "x" * 200 in filled("query", "-f", "table", sql).out
    wide = filled.on_terminal("query", "SELECT * FROM plexus_item LIMIT 1", env={"NO_COLOR": "1"}).out
    assert "-- 1 --\n" in wide
    assert "account_id       acc-1\n" in wide


def test_wide_letters_are_aligned(filled: Syncer) -> None:
    """Letters that take two columns, or none, do not push the next column away."""
    lines = filled("query", "-f", "table", "SELECT '日本' AS a, 'x' AS b UNION ALL SELECT 'é', 'y'").out.splitlines()
    assert lines == ["a     b", "----  -", "日本  x", "é     y"]


def test_values_without_a_json_form(filled: Syncer) -> None:
    """Bytes and infinity become something that every JSON parser reads."""
    assert filled("query", "SELECT x'00ff' AS b, 9e999 AS i", "--json").json == [
        {"b": {"$base64": True, "encoded": "AP8="}, "i": "inf"}
    ]


def test_a_reader_that_goes_away(filled: Syncer) -> None:
    """``| head`` ends the query silently and without an error."""
    words = " ".join(f"'{word}'" for word in filled.command("query", _ENDLESS))
    script = f"{words} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=filled.environment(), timeout=60)
    assert (done.stdout, done.stderr) == ("x\n0\n", "")


def test_interrupted(filled: Syncer, processes: Callable[[subprocess.Popen[str]], subprocess.Popen[str]]) -> None:
    """Ctrl-C ends with 130 and says that nothing is lost, without a traceback."""
    running = processes(filled.started("query", _ENDLESS, "--format", "jsonl"))
    assert running.stdout is not None
    assert running.stdout.readline() == '{"x": 1}\n'
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "nothing is lost" in err
    assert "Traceback" not in err
