"""Local files of scores: names that come from elsewhere, folders, links, whole writes, and YAML that bites."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncer.errors import InvalidInput
from syncer.plexus import Score
from syncer.plexus.scores import classes, files, yaml


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of score files."""
    monkeypatch.setenv("SCORECARD_CACHE_DIR", str(tmp_path / "cards"))
    return tmp_path / "cards"


def named(name: str) -> Score:
    """A score of this name, from nowhere."""
    return Score("s", name, "k", "1", "LLM", 1, "section")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Tone", "Tone"),
        ("Call Center (QA) & more.v2", "Call Center (QA) & more.v2"),
        ('a<b>c:d"e/f\\g|h?i*j[k]l', "a-b-c-d-e-f-g-h-i-j-k-l"),
        ("Yes/No?", "Yes-No"),
        (" - a --- b:: c/ - ", "a - b- c"),
        ("tab\there\nand\x00there", "tab-here-and-there"),
        ("no\u00a0break \u200bjoin \ud800", "no-break -join"),
        ("../../etc/passwd", "..-..-etc-passwd"),
        ("/etc/passwd", "etc-passwd"),
        ("C:\\Windows", "C-Windows"),
        ("Töne 語調", "Töne 語調"),
        (".hidden", ".hidden"),
        ("CON", "CON-"),
        ("nul.txt", "nul.txt-"),
        ("Consent", "Consent"),
    ],
)
def test_names_are_cleaned(name: str, expected: str) -> None:
    """What means something to a file system becomes a dash, runs and ends of dashes go, all else stays."""
    assert files.cleaned(name) == expected


@pytest.mark.parametrize("name", ["", " ", "-", "///", ".", "..", "../", " . ", "...", ". .", "\x00", "?*"])
def test_names_of_nothing_are_refused(root: Path, name: str) -> None:
    """What would be the folder itself, or the one above, has no file; nothing is made."""
    with pytest.raises(InvalidInput, match="no file can be named after"):
        named(name).get_local_code_path("Quality")
    with pytest.raises(InvalidInput, match="no file can be named after"):
        named("Tone").get_local_code_path(name or "?")
    assert not root.exists()


def test_a_name_too_long_for_a_file_is_refused(root: Path) -> None:
    """255 bytes with the ending is the most; letters of three bytes count as three."""
    assert len(named("x" * 250).get_local_code_path("Quality").name) == 255
    for name in ("x" * 251, "語" * 84):
        with pytest.raises(InvalidInput, match="255 bytes"):
            named(name).get_local_code_path("Quality")
    assert named("x" * 252).get_local_guidelines_path("Quality").name == "x" * 252 + ".md"
    with pytest.raises(InvalidInput, match="255 bytes"):
        named("Tone").get_local_code_path("y" * 256)


@settings(max_examples=150, deadline=timedelta(seconds=5))
@given(st.text(), st.text())
def test_no_name_leads_out_of_the_folder(card: str, score: str) -> None:
    """Whatever the names: one folder below the root, one file in it, or an error."""
    try:
        found = files.code_path(card, score)
    except InvalidInput:
        return
    lexical = Path(os.path.normpath(found))
    assert lexical.parent.parent == files.root()
    assert lexical == found
    assert not set('<>:"\\|?*[]\x00\n') & set(found.name)


def test_paths_are_where_the_original_has_them_and_their_folders_exist(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is read at every call; without it, ``scorecards`` below the working directory."""
    score = named("Tone?")
    assert score.get_local_code_path("QA: calls") == root / "QA- calls" / "Tone.yaml"
    assert score.get_local_configuration_path("QA: calls") == root / "QA- calls" / "Tone.yaml"
    assert score.get_local_guidelines_path("QA: calls") == root / "QA- calls" / "guidelines" / "Tone.md"
    assert sorted(p.name for p in (root / "QA- calls").iterdir()) == ["guidelines"]
    monkeypatch.delenv("SCORECARD_CACHE_DIR")
    monkeypatch.chdir(tmp_path)
    assert score.get_local_code_path("Q") == Path("scorecards/Q/Tone.yaml")
    assert (tmp_path / "scorecards" / "Q").is_dir()


def test_a_file_or_a_broken_link_in_the_way_stays(root: Path) -> None:
    """The original removes what is in the place of a folder; here it is told, and kept."""
    root.mkdir()
    (root / "Notes").write_text("mine")
    (root / "Link").symlink_to(root / "nowhere")
    for card in ("Notes", "Link"):
        with pytest.raises(InvalidInput, match="cannot be made") as caught:
            named("Tone").get_local_code_path(card)
        assert "nothing was removed" in str(caught.value.hint)
    assert (root / "Notes").read_text() == "mine"
    assert (root / "Link").is_symlink()


def test_links_that_lead_out_are_not_followed(root: Path, tmp_path: Path) -> None:
    """Neither a folder nor a file: what lies elsewhere is neither read nor written."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.yaml").write_text("secret: 1")
    (root / "Quality").mkdir(parents=True)
    (root / "Away").symlink_to(outside)
    (root / "Quality" / "Tone.yaml").symlink_to(outside / "secret.yaml")
    with pytest.raises(InvalidInput, match="leads out of"):
        named("secret").get_local_code_path("Away")
    for act in (files.read, lambda path: files.write({path: "new"})):
        with pytest.raises(InvalidInput, match="leads out of"):
            act(root / "Quality" / "Tone.yaml")
    assert (outside / "secret.yaml").read_text() == "secret: 1"
    assert sorted(p.name for p in outside.iterdir()) == ["secret.yaml"]


def test_a_link_within_the_folder_is_kept_and_its_file_written(root: Path) -> None:
    """Whoever shares one file between two scores goes on doing so; the root itself may be a link too."""
    (root / "Quality").mkdir(parents=True)
    (root / "Quality" / "shared.yaml").write_text("old")
    link = root / "Quality" / "Tone.yaml"
    link.symlink_to("shared.yaml")
    files.write({link: "new"})
    assert link.is_symlink()
    assert (root / "Quality" / "shared.yaml").read_text() == "new"
    assert files.read(link) == "new"


def test_what_is_no_file_is_neither_read_nor_replaced(root: Path) -> None:
    """A folder, a pipe (which would make a reader wait for ever), a link to nothing."""
    card = root / "Quality"
    (card / "folder.yaml").mkdir(parents=True)
    os.mkfifo(card / "pipe.yaml")
    (card / "link.yaml").symlink_to("nothing.yaml")
    for name in ("folder.yaml", "pipe.yaml", "link.yaml"):
        for act in (files.read, lambda path: files.write({path: "new"})):
            with pytest.raises(InvalidInput, match="is no file"):
                act(card / name)
    assert sorted(p.name for p in card.iterdir()) == ["folder.yaml", "link.yaml", "pipe.yaml"]


def test_writing_is_all_or_nothing_and_leaves_no_traces(root: Path) -> None:
    """When the second file cannot be written the first is as it was, and nothing else lies around."""
    code = root / "Quality" / "Tone.yaml"
    files.write({code: "old"})
    with pytest.raises(InvalidInput, match="cannot be written"):
        files.write({code: "new", root / "Quality" / "Other.md": "lone \ud800"})
    assert code.read_text() == "old"
    assert [p.name for p in (root / "Quality").iterdir()] == ["Tone.yaml"]


def test_a_file_is_replaced_whole(root: Path) -> None:
    """Whoever has the file open goes on reading the old text to its end."""
    path = root / "Quality" / "Tone.yaml"
    files.write({path: "old text"})
    with path.open() as reader:
        files.write({path: "new"})
        assert reader.read() == "old text"
    assert path.read_text() == "new"


def test_text_is_kept_to_the_byte(root: Path) -> None:
    """Line ends, letters and a missing last newline come through; a byte order mark of an editor does not count."""
    path = root / "Quality" / "Tone.yaml"
    text = "a: 1\r\nb: ü語\n\u2028c: 2"
    files.write({path: text})
    assert path.read_bytes() == text.encode()
    assert files.read(path) == text
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert files.read(path) == "a: 1"


def test_the_permissions_of_a_replaced_file_stay(root: Path) -> None:
    """A file the group may write does not become private by a pull."""
    path = root / "Quality" / "Tone.yaml"
    files.write({path: "old"})
    path.chmod(0o664)
    files.write({path: "new"})
    assert path.stat().st_mode & 0o777 == 0o664


def test_files_that_cannot_be_code_say_why(root: Path) -> None:
    """Not UTF-8, or more than Plexus stores."""
    path = root / "Quality" / "Tone.yaml"
    files.write({path: "x"})
    path.write_bytes(b"caf\xe9")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        files.read(path)
    path.write_bytes(b"#" * (yaml.MOST_BYTES + 1))
    with pytest.raises(InvalidInput, match="too long"):
        files.read(path)
    assert files.read(root / "Quality" / "Absent.yaml") is None


def test_lines_of_a_pull_are_left_out() -> None:
    """Those at the edge of the line only: a prompt may say ``# Note:`` and keep it."""
    text = (
        "# Pulled from Plexus API\n# Score: Tone\n# Champion Version ID: v\n# Version ID: v\n# Created: x\r\n# Updated: x\n"
        "# Note: n\n#\n\n# a comment\nprompt: |\n  # Note: be kind\n  #\n  end\n\n"
    )
    assert files.bare_code(text) == "# a comment\nprompt: |\n  # Note: be kind\n  #\n  end"
    assert files.bare_code("a: 1\n#\nb: 2") == "a: 1\nb: 2"


def test_headings_of_a_pull_are_left_out_of_guidelines() -> None:
    """Only what stands before the first line of text; the placeholder means none."""
    text = "\n# Guidelines for Tone\n\n<!-- Pulled -->\n \n<!-- x -->\nBe kind.\n<!-- kept -->\n# Guidelines for all\n"
    assert files.bare_guidelines(text) == "Be kind.\n<!-- kept -->\n# Guidelines for all"
    assert files.bare_guidelines(f"# Guidelines for Tone\n\n{files.NO_GUIDELINES}\n") == ""
    assert files.bare_guidelines("\n\n") == ""


def _laughs(depth: int, form: str = "[{}]") -> str:
    """Text in which every line stands for nine of the line before."""
    lines = ["l0: &l0 {a: 1, b: 2}" if "<<" in form else "l0: &l0 [lol]"]
    lines += [f"l{n}: &l{n} " + form.format(", ".join([f"*l{n - 1}"] * 9)) for n in range(1, depth)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (_laughs(9), "aliases multiply"),
        (_laughs(9, "{{<<: [{}]}}"), "aliases multiply"),
        ("a: &a [1, *a]", "holds itself"),
        ("a: &a {<<: *a}", "holds itself"),
        ("[" * 200_000, "nest"),
        ("- " * 50_000, "nest"),
        ("a: " + "1:" * 100_000 + "1", "number"),
        ("a: !!float ' 1" + ": 1" * 100_000 + "'", "number"),
        ("a: " + "9" * 5000, "number"),
        ("a: " + "x" * yaml.MOST_BYTES, "too long"),
        ("a: *unknown", "cannot be read"),
        ("a: [1", "cannot be read"),
        ("a: 1\n---\nb: 2", "cannot be read"),
        ("a: !!python/object/apply:os.system ['true']", "cannot be read"),
        ("a: !!timestamp foo", "not of its kind"),
        ("a: !!bool foo", "not of its kind"),
        ("a: 2026-99-99", "not of its kind"),
        ("a: \ud800", "YAML"),
        ("a: \x07", "cannot be read"),
    ],
)
def test_yaml_that_bites_is_refused_at_once(text: str, why: str) -> None:
    """Bombs, knots, nests and nonsense end in one kind of error, without the time or memory they ask for."""
    with pytest.raises(InvalidInput, match=why):
        yaml.parsed(text)


def test_yaml_of_everyday_passes() -> None:
    """Aliases, merges and sexagesimal times within reason are read as ever."""
    text = "base: &b {a: 1}\nmore: {<<: *b, c: 2}\nagain: [*b, *b]\nat: 1:30\nwhen: 2026-01-02\ntext: |\n  1:\n  2:\n"
    code = yaml.parsed(text)
    assert code["more"] == {"a": 1, "c": 2}
    assert code["again"] == [{"a": 1}, {"a": 1}]
    assert code["at"] == 90
    assert yaml.parsed("") is None


def test_classes_are_read_from_any_shape() -> None:
    """Entries without a name, and graphs that are no lists of dicts, are passed over."""
    code = {
        "classes": [{"name": "Yes", "positive": True}, {"label": "x"}, "No", {"name": None}],
        "graph": [
            {"valid_classes": ["Yes", "No"], "conditions": [{"output": {"value": "NA"}}, {"output": "x"}, "y"]},
            {"valid_classes": ["Yes", ["a", "list"], ["a", "list"]], "conditions": {"output": 1}},
            {"valid_classes": "abc"},
            "node",
        ],
    }
    assert classes.listed(code) == [{"name": "Yes", "positive": True}, {"name": None}]
    assert classes.count(code) == 4
    for empty in (None, {}, {"classes": {"name": "x"}, "graph": {"a": 1}}, {"graph": [{"valid_classes": []}]}):
        assert classes.listed(empty) == []
        assert classes.count(empty) == 2
