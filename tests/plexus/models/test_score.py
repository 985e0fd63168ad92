"""Score: lookups within a scorecard, the champion's code, and the way of code to files and back as a new version."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import PlexusDashboardClient, Score
from syncer.sandbox.server import Sandbox
from tests.engine.push.test_push import START
from tests.factory import scoring
from tests.files import rows, write

CODE = "name: Tone\nclasses:\n- name: Yes, it is\n  positive: true\n- name: Not\ngraph:\n- valid_classes: [a, b, c]\n"
GUIDELINES = "# Guidelines for raters\n\nBe kind."


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of score files."""
    monkeypatch.setenv("SCORECARD_CACHE_DIR", str(tmp_path / "cards"))
    return tmp_path / "cards"


def client_of(ws: Workspace) -> PlexusDashboardClient:
    """A client on a test's own file."""
    return PlexusDashboardClient(workspace=ws)


def tone(ws: Workspace) -> Score:
    """A score without a champion."""
    return Score.get_by_id(scoring(ws)["scoreId"], client_of(ws))


def crowned(ws: Workspace, score: Score, code: str = CODE, guidelines: str | None = GUIDELINES) -> str:
    """The id of a new champion of the score."""
    fields = {"scoreId": score.id, "configuration": code, "guidelines": guidelines, "createdAt": "2026-01-01T00:00:00Z"}
    version = str(ws.plexus.create("ScoreVersion", fields)["id"])
    ws.plexus.update("Score", score.id, {"championVersionId": version})
    return version


def versions(ws: Workspace) -> list[dict[str, Any]]:
    """Every version, oldest first."""
    return ws.plexus.find("ScoreVersion", order_by="createdAt")


def twin(ws: Workspace, score: Score, **fields: Any) -> str:
    """The id of a score of the same name, key and external id on another scorecard."""
    owner = ws.plexus.find("Account")[0]["id"]
    card = ws.plexus.create("Scorecard", {"name": "Other", "key": "other", "accountId": owner})["id"]
    section = ws.plexus.create("ScorecardSection", {"name": "All", "order": 1, "scorecardId": card})["id"]
    like = {"name": score.name, "order": 1, "type": "LLM", "externalId": score.externalId, **fields}
    return str(ws.plexus.create("Score", {**like, "sectionId": section, "scorecardId": card})["id"])


def test_lookups_stay_in_their_scorecard(ws: Workspace) -> None:
    """Two scorecards have a score of the same name, key and external id: each finds its own."""
    mine = scoring(ws)
    ws.plexus.update("Score", mine["scoreId"], {"key": "tone"})
    client = client_of(ws)
    score = Score.get_by_id(mine["scoreId"], client)
    other = Score.get_by_id(twin(ws, score, key="tone"), client)
    cards = {s["id"]: s["scorecardId"] for s in ws.plexus.find("Score")}
    for one in (score, other):
        card = cards[one.id]
        assert Score.get_by_name("Tone", card, client) == one
        assert Score.get_by_key("tone", card, client) == one
        assert Score.get_by_external_id("tone", card, client) == one
        named = Score.get_by_scorecard_and_external_id(card, "tone", client)
        assert named == {"id": one.id, "name": "Tone"}


def test_misses(ws: Workspace) -> None:
    """Lookups by text give None, by id the one error that names what to pull."""
    score, client = tone(ws), client_of(ws)
    card = ws.plexus.find("Scorecard")[0]["id"]
    assert Score.get_by_name("gone", card, client) is None
    assert Score.get_by_name("Tone", "another card", client) is None
    assert Score.get_by_key("", card, client) is None
    assert Score.get_by_external_id("gone", card, client) is None
    assert Score.get_by_scorecard_and_external_id(card, "gone", client) is None
    assert score.key is None
    with pytest.raises(RecordNotFound, match=r"Score with id 'gone'.*syncer pull plexus --model Score"):
        Score.get_by_id("gone", client)


def test_of_several_of_one_name_the_oldest_is_given_and_the_log_says_so(
    ws: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody keeps names unique; the choice does not change with later ones."""
    with clock.using(clock.Virtual(START)):
        ids = scoring(ws)
        section = ws.plexus.find("ScorecardSection")[0]["id"]
        clock.sleep(1)
        for n in range(5):
            more = {"id": str(n), "name": "Tone", "order": n, "type": "LLM", "externalId": str(n), "sectionId": section}
            ws.plexus.create("Score", {**more, "scorecardId": ids["scorecardId"]})
    with caplog.at_level(logging.WARNING):
        found = Score.get_by_name("Tone", ids["scorecardId"], client_of(ws))
    assert found is not None
    assert found.id == ids["scoreId"]
    assert "several Scores have the same name and scorecardId" in caplog.text


def test_a_section_lists_its_scores_in_pages(ws: Workspace) -> None:
    """By order, each once, although one is deleted and one is added between the pages; the last page has no token."""
    ids, client = scoring(ws), client_of(ws)
    section = ws.plexus.find("ScorecardSection")[0]["id"]
    new = {"type": "LLM", "sectionId": section, "scorecardId": ids["scorecardId"]}
    made = [{"name": f"S{n}", "order": 2 + n // 3, "externalId": f"{n}", **new} for n in range(7)]
    ws.plexus.create_many("Score", made)
    first = Score.list_by_section_id(section, client, limit=3)
    ws.plexus.delete("Score", first["items"][0].id)
    ws.plexus.create("Score", {"name": "Late", "order": 9, "externalId": "late", **new})
    pages = [first]
    while pages[-1]["nextToken"] is not None:
        pages.append(Score.list_by_section_id(section, client, pages[-1]["nextToken"], 3))
    seen = [score for page in pages for score in page["items"]]
    assert (seen[0].name, seen[-1].name) == ("Tone", "Late")
    assert len({s.id for s in seen}) == len(seen) == 9
    assert [s.order for s in seen] == sorted(s.order for s in seen)
    assert len(Score.list_by_section_id(section, client)["items"]) == 8
    assert Score.list_by_section_id("another", client, "") == {"items": [], "nextToken": None}


@pytest.mark.parametrize(("token", "limit"), [("nonsense", 3), ("\ud800", 3), (None, 0), (None, -1)])
def test_a_strange_token_or_limit_is_refused(ws: Workspace, token: str | None, limit: int) -> None:
    """A ValueError, never a wrong page."""
    with pytest.raises(InvalidInput):
        Score.list_by_section_id("s", client_of(ws), token, limit)


def test_the_champions_code(ws: Workspace) -> None:
    """Text as it is, parsed, and its classes."""
    score = tone(ws)
    crowned(ws, score)
    assert score.get_champion_code_yaml() == score.get_champion_configuration_yaml() == CODE
    code = score.get_code()
    assert code is not None
    assert code["name"] == "Tone"
    assert score.get_valid_classes() == [{"name": "Yes, it is", "positive": True}, {"name": "Not"}]
    assert score.get_valid_classes_count() == 3


def test_no_champion_is_no_code(ws: Workspace) -> None:
    """None, no classes, and two of them counted."""
    score = tone(ws)
    assert score.get_code() is score.get_champion_code_yaml() is score.get_champion_configuration_yaml() is None
    assert (score.get_valid_classes(), score.get_valid_classes_count()) == ([], 2)


@pytest.mark.parametrize("code", ["a: [", "just text", "- a", "a: &a [*a]"])
def test_code_that_is_no_yaml_of_a_dict_is_none(ws: Workspace, code: str, caplog: pytest.LogCaptureFixture) -> None:
    """The text is there all the same; the log quotes none of it."""
    score = tone(ws)
    crowned(ws, score, code)
    with caplog.at_level(logging.DEBUG):
        assert score.get_code() is None
    assert code not in caplog.text
    assert score.get_champion_code_yaml() == code
    assert (score.get_valid_classes(), score.get_valid_classes_count()) == ([], 2)


def test_a_champion_not_fetched_is_not_taken_for_none(ws: Workspace) -> None:
    """What the local file does not know is an error that says what to pull, never "there is none"."""
    score = tone(ws)
    ws.plexus.update("Score", score.id, {"championVersionId": "v-elsewhere"})
    for call in (score.get_code, score.get_champion_code_yaml, score.get_valid_classes, score.get_valid_classes_count):
        with pytest.raises(RecordNotFound, match=r"'v-elsewhere'.*syncer pull plexus --model ScoreVersion"):
            call()


def test_without_a_client(root: Path) -> None:
    """Reading is a ValueError; pulling and pushing say so in their results; paths need only a name."""
    score = Score("s", "Tone", "k", "1", "LLM", 1, "section")
    for call in (score.get_code, score.get_champion_code_yaml, score.get_valid_classes, score.get_local_code_path):
        with pytest.raises(ValueError, match="no client"):
            call()
    path = score.get_local_code_path("Quality")
    assert path == root / "Quality" / "Tone.yaml"
    assert score.pull_code_and_guidelines()["error"] == "No API client available"
    assert score.pull_configuration("Quality")["error"] == "No API client available"
    assert score.create_version_from_code(CODE)["error"] == "NO_CLIENT"
    assert score.create_version_from_yaml(CODE)["error"] == "NO_CLIENT"
    assert score.push_code_and_guidelines()["error"] == "NO_CLIENT"
    assert score.push_code_and_guidelines("Quality")["error"] == "NO_FILES_FOUND"
    path.write_text(CODE)
    assert score.push_configuration("Quality")["error"] == "NO_CLIENT"


def test_the_folder_is_named_after_the_scorecard_of_the_section(ws: Workspace, root: Path) -> None:
    """Looked up in the local file when no name is given; a section not fetched says what to pull."""
    score = tone(ws)
    assert score.get_local_code_path() == root / "Quality" / "Tone.yaml"
    assert score.get_local_guidelines_path("") == root / "Quality" / "guidelines" / "Tone.md"
    score.sectionId = "elsewhere"
    with pytest.raises(RecordNotFound, match=r"ScorecardSection with id 'elsewhere'.*pull plexus --model ScorecardSection"):
        score.get_local_code_path()
    assert score.pull_configuration()["error"] == "NO_CHAMPION_VERSION"
    crowned(ws, score)
    assert score.pull_configuration()["error"] == "API_ERROR"


def test_pull_writes_both_files(ws: Workspace, root: Path) -> None:
    """The code to the letter, the guidelines, and what the results say about them."""
    score = tone(ws)
    version = crowned(ws, score, CODE + "# ü\r\n")
    result = score.pull_code_and_guidelines()
    code, guidelines = root / "Quality" / "Tone.yaml", root / "Quality" / "guidelines" / "Tone.md"
    message = result.pop("message")
    assert str(code) in message
    assert result == {
        "success": True,
        "code_file_path": str(code),
        "guidelines_file_path": str(guidelines),
        "version_id": version,
    }
    assert code.read_bytes() == (CODE + "# ü\r\n").encode()
    assert guidelines.read_text() == GUIDELINES
    assert score.pull_configuration() == {"success": True, "file_path": str(code), "version_id": version}


def test_pull_without_guidelines_writes_the_placeholder(ws: Workspace, root: Path) -> None:
    """Whoever opens the file sees that there are none, and pushing it sends none."""
    score = tone(ws)
    crowned(ws, score, guidelines=None)
    assert score.pull_code_and_guidelines()["success"]
    text = (root / "Quality" / "guidelines" / "Tone.md").read_text()
    assert text == "*No guidelines specified for this score.*\n"
    assert score.push_code_and_guidelines()["skipped"]


def test_pull_failures(ws: Workspace, root: Path, path: Path) -> None:
    """Each reason has its code; none raises, none leaves files behind."""
    score = tone(ws)
    errors = [score.pull_code_and_guidelines()["error"]]
    ws.plexus.update("Score", score.id, {"championVersionId": "elsewhere"})
    missing = score.pull_code_and_guidelines()
    errors.append(missing["error"])
    assert "syncer pull plexus --model ScoreVersion" in missing["message"]
    champion = crowned(ws, score)
    write(path, "UPDATE plexus_score_version SET configuration = '' WHERE id = ?", champion)
    errors.append(score.pull_code_and_guidelines()["error"])
    score.name = ".."
    crowned(ws, score)
    errors.append(score.pull_code_and_guidelines()["error"])
    score.id = "gone"
    errors.append(score.pull_code_and_guidelines()["error"])
    assert errors == ["NO_CHAMPION_VERSION", "VERSION_NOT_FOUND", "NO_CODE", "UNEXPECTED_ERROR", "API_ERROR"]
    assert not root.exists()


def test_what_lies_in_the_way_of_a_pull_stays(ws: Workspace, root: Path) -> None:
    """The original removes it; here the result says what is wrong, and neither file is touched."""
    score = tone(ws)
    crowned(ws, score)
    (root / "Quality").mkdir(parents=True)
    (root / "Quality" / "Tone.yaml").write_text("mine")
    (root / "Quality" / "guidelines").write_text("notes of mine")
    result = score.pull_code_and_guidelines()
    assert (result["success"], result["error"]) == (False, "UNEXPECTED_ERROR")
    assert "nothing was removed" in result["message"]
    assert (root / "Quality" / "Tone.yaml").read_text() == "mine"
    assert (root / "Quality" / "guidelines").read_text() == "notes of mine"


@pytest.mark.parametrize("guidelines", [GUIDELINES, None, "", "<!-- only a comment -->"])
@pytest.mark.parametrize("code", [CODE, "# Score: kept\n#\na: 1\r\n", "  a: 1\n\n"])
def test_push_of_what_was_pulled_makes_no_version(ws: Workspace, root: Path, code: str, guidelines: str | None) -> None:
    """Not even when the champion itself has lines that look like those of a pull."""
    score = tone(ws)
    champion = crowned(ws, score, code, guidelines)
    score.pull_code_and_guidelines()
    result = score.push_code_and_guidelines()
    assert (result["success"], result["skipped"], result["version_id"]) == (True, True, champion)
    assert result["changes_detected"] == {"code": False, "guidelines": False}
    assert len(versions(ws)) == 1


def test_push_makes_a_version_of_what_was_edited(synced: Workspace, sandbox: Sandbox, root: Path) -> None:
    """Plexus ends with exactly this version, behind the champion, which stays champion."""
    score = tone(synced)
    champion = crowned(synced, score)
    paths = score.pull_code_and_guidelines()
    Path(paths["code_file_path"]).write_text("# Pulled from Plexus API\n# Note: x\n#\n" + CODE + "extra: 1\n\n")
    result = score.push_code_and_guidelines(note="sharper")
    assert result["success"]
    assert (result["skipped"], result["champion_updated"]) == (False, False)
    assert result["changes_detected"] == {"code": True, "guidelines": False}
    report = synced.push("plexus")
    assert report.exit_code == 0
    row = next(r for r in sandbox.rows("ScoreVersion") if r["id"] == result["version_id"])
    sent = {name: value for name, value in row.items() if name not in ("createdAt", "updatedAt")}
    assert sent == {
        "id": result["version_id"],
        "scoreId": score.id,
        "configuration": CODE + "extra: 1",
        "guidelines": GUIDELINES,
        "note": "sharper",
        "isFeatured": "false",
        "parentVersionId": champion,
    }
    assert sandbox.rows("Score")[0]["championVersionId"] == champion
    assert sandbox.count("ScoreVersion") == 2


def test_a_colleague_pulls_the_champion(synced: Workspace, sandbox: Sandbox, tmp_path: Path, root: Path) -> None:
    """On another machine: after a pull the code is there; promoted upstream, the next version is what is pulled."""
    score = tone(synced)
    crowned(synced, score)
    newer = score.create_version_from_code("a: 1", guidelines="")["version_id"]
    synced.push("plexus")
    with Workspace.open(tmp_path / "colleague.db") as other:
        assert other.pull("plexus").exit_code == 0
        theirs = Score.get_by_id(score.id, client_of(other))
        assert theirs.get_champion_code_yaml() == CODE
        assert theirs.create_version_from_code("a: 1", guidelines="")["version_id"] == newer
        sandbox.edit("Score", score.id, championVersionId=newer)
        assert other.pull("plexus").exit_code == 0
        assert theirs.pull_configuration()["version_id"] == newer
        assert (root / "Quality" / "Tone.yaml").read_text() == "a: 1"
        assert other.status().consistent


def test_push_of_one_file_keeps_the_champions_other(ws: Workspace, root: Path) -> None:
    """A missing file is no wish to clear; changes are real differences, not the presence of a file."""
    score = tone(ws)
    crowned(ws, score)
    guidelines = score.get_local_guidelines_path()
    guidelines.write_text("# Guidelines for Tone\n\nBe brief.\n")
    result = score.push_configuration()
    assert result["changes_detected"] == {"code": False, "guidelines": True}
    assert (versions(ws)[-1]["configuration"], versions(ws)[-1]["guidelines"]) == (CODE.strip(), "Be brief.")
    guidelines.unlink()
    score.get_local_code_path().write_text("a: 1")
    assert score.push_configuration()["changes_detected"] == {"code": True, "guidelines": False}
    assert (versions(ws)[-1]["configuration"], versions(ws)[-1]["guidelines"]) == ("a: 1", GUIDELINES)
    assert versions(ws)[-1]["note"] == "Updated via Score.push_code_and_guidelines()"


def test_an_emptied_guidelines_file_clears_them(ws: Workspace, root: Path) -> None:
    """A file that is there and empty is a wish."""
    score = tone(ws)
    crowned(ws, score)
    score.get_local_guidelines_path().write_text("\n")
    assert score.push_code_and_guidelines()["changes_detected"] == {"code": False, "guidelines": True}
    assert versions(ws)[-1]["guidelines"] == ""


def test_push_failures(ws: Workspace, root: Path) -> None:
    """Each reason has its code; nothing waits afterwards, and looking makes no folders."""
    score = tone(ws)
    found = [score.push_code_and_guidelines()]
    assert not root.exists()
    score.get_local_guidelines_path().write_text("Be kind.")
    found.append(score.push_code_and_guidelines())
    score.get_local_code_path().write_text("a: [")
    found.append(score.push_code_and_guidelines())
    score.get_local_code_path().write_bytes(b"caf\xe9: 1")
    found.append(score.push_code_and_guidelines())
    score.get_local_code_path().write_text("a: 1")
    ws.plexus.update("Score", score.id, {"championVersionId": "elsewhere"})
    found.append(score.push_code_and_guidelines())
    errors = [(r["success"], r["error"]) for r in found]
    names = ["NO_FILES_FOUND", "NO_CODE", "INVALID_YAML", "UNEXPECTED_ERROR", "API_ERROR"]
    assert errors == [(False, name) for name in names]
    assert versions(ws) == []


def test_scores_that_share_a_file_are_warned_of(ws: Workspace, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two names that clean to one file take each other's code: the log tells before it is too late."""
    score = tone(ws)
    crowned(ws, score)
    card = ws.plexus.find("Scorecard")[0]["id"]
    with caplog.at_level(logging.WARNING):
        score.pull_configuration()
    assert caplog.text == ""
    like = {"name": "tone?", "order": 2, "type": "LLM", "externalId": "2", "sectionId": score.sectionId}
    ws.plexus.create("Score", {**like, "scorecardId": card})
    with caplog.at_level(logging.WARNING):
        score.pull_configuration()
    assert "have the same local files" in caplog.text


def test_a_version_is_stored_trimmed_with_the_champions_guidelines(ws: Workspace) -> None:
    """None stands for the champion's guidelines, empty for none; the note has a default of its own."""
    score = tone(ws)
    champion = crowned(ws, score)
    first = score.create_version_from_code("\n a: 1 \n")
    second = score.create_version_from_yaml("b: 1")
    third = score.create_version_from_code("c: 1", "mine", guidelines="")
    made = [ws.plexus.get("ScoreVersion", r["version_id"]) for r in (first, second, third)]
    assert [(v["configuration"], v["guidelines"], v["note"], v["parentVersionId"], v["isFeatured"]) for v in made if v] == [
        ("a: 1", GUIDELINES, "Updated via Score.create_version_from_code()", champion, "false"),
        ("b: 1", GUIDELINES, "Updated via Score.create_version_from_yaml()", champion, "false"),
        ("c: 1", "", "mine", champion, "false"),
    ]


def test_what_the_champion_says_already_is_skipped(ws: Workspace) -> None:
    """White space at the ends does not count, and nothing is written."""
    score = tone(ws)
    champion = crowned(ws, score)
    for guidelines in (None, f"\n{GUIDELINES} "):
        result = score.create_version_from_code(f"\n{CODE}  ", guidelines=guidelines)
        assert (result["success"], result["skipped"], result["version_id"]) == (True, True, champion)
    assert len(versions(ws)) == 1
    assert not score.create_version_from_code(CODE, guidelines="")["skipped"]


def test_what_waits_already_is_skipped(synced: Workspace) -> None:
    """The newest version counts, waiting or sent; an older one does not: going back to it is a new version."""
    score = tone(synced)
    crowned(synced, score)
    first = score.create_version_from_code("a: 1")
    again = score.create_version_from_code("a: 1 ")
    assert (again["skipped"], again["version_id"]) == (True, first["version_id"])
    synced.push("plexus")
    assert score.create_version_from_code("a: 1")["version_id"] == first["version_id"]
    second = score.create_version_from_code("b: 1")
    back = score.create_version_from_code("a: 1")
    assert not second["skipped"]
    assert not back["skipped"]
    assert len({r["version_id"] for r in (first, second, back)}) == 3


def test_versions_of_one_moment_keep_their_order(ws: Workspace) -> None:
    """The last one made is the newest also when the clock stands still."""
    with clock.using(clock.Virtual(START)):
        score = tone(ws)
        for n in range(20):
            assert not score.create_version_from_code(f"n: {n}")["skipped"]
            assert score.create_version_from_code(f"n: {n}")["skipped"]
    assert [v["configuration"] for v in versions(ws)] == [f"n: {n}" for n in range(20)]


@pytest.mark.parametrize("code", ["", " \n", "a: [", "a: *b", "[" * 1000, None, 3])
def test_code_that_is_no_yaml_makes_no_version(ws: Workspace, code: Any) -> None:
    """Refused with a reason before anything is stored."""
    score = tone(ws)
    result = score.create_version_from_code(code)
    assert (result["success"], result["error"]) == (False, "INVALID_YAML")
    assert result["message"]
    assert versions(ws) == []


def test_a_version_needs_score_and_champion_here(ws: Workspace, path: Path) -> None:
    """Without them nobody can tell whether it is new: the result says what to pull."""
    score = tone(ws)
    ws.plexus.update("Score", score.id, {"championVersionId": "elsewhere"})
    result = score.create_version_from_code("a: 1")
    assert (result["success"], result["error"]) == (False, "API_ERROR")
    assert "syncer pull plexus --model ScoreVersion" in result["message"]
    score.id = "gone"
    assert "--model Score" in score.create_version_from_code("a: 1")["message"]
    assert score.create_version_from_code("a: 1", guidelines=3)["error"] == "UNEXPECTED_ERROR"  # type: ignore[arg-type]
    assert versions(ws) == []
    assert rows(path, "SELECT count(*) FROM outbox WHERE model = 'ScoreVersion'") == [(0,)]


def test_a_file_that_refuses_the_write_is_told(ws: Workspace, path: Path) -> None:
    """The version and its change are stored together or not at all, and the result says which it was."""
    score = tone(ws)
    write(path, "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END")
    result = score.create_version_from_code("a: 1")
    assert (result["success"], result["error"]) == (False, "VERSION_CREATION_FAILED")
    assert versions(ws) == []
    write(path, "DROP TRIGGER full")
    assert score.create_version_from_code("a: 1")["success"]


def test_many_threads_with_one_code_make_one_version(ws: Workspace) -> None:
    """Looking and storing are one transaction."""
    score = tone(ws)
    crowned(ws, score)
    results: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: results.append(score.create_version_from_code("a: 1"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r["skipped"] for r in results) == [False] + [True] * 7
    assert len({r["version_id"] for r in results}) == 1
    assert len(versions(ws)) == 2


_OTHER = """
import sys
from syncer import Workspace
from syncer.plexus import PlexusDashboardClient, Score
with Workspace.open(sys.argv[1]) as ws:
    score = Score.get_by_id(sys.argv[2], PlexusDashboardClient(workspace=ws))
    sys.stdin.readline()
    for n in range(10):
        result = score.create_version_from_code(f"n: {n}")
        assert result["success"], result
"""


def test_two_processes_with_one_code_make_one_version_each_time(ws: Workspace, path: Path) -> None:
    """No version is followed by one that says the same, whoever was first."""
    score = tone(ws)
    arguments = [sys.executable, "-c", _OTHER, str(path), score.id]
    others = [subprocess.Popen(arguments, stdin=subprocess.PIPE, text=True) for _ in range(2)]
    for other in others:
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
    for other in others:
        other.communicate(timeout=60)
        assert other.returncode == 0
    made = [v["configuration"] for v in versions(ws)]
    assert set(made) == {f"n: {n}" for n in range(10)}
    assert all(one != following for one, following in pairwise(made))
