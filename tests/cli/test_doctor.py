"""``syncer doctor`` and ``syncer config``: what could go wrong, and where every setting comes from."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.diagnostics.doctor import examine
from syncer.install import upgrade_hint
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.abeja.rig import STALE, settings_of
from tests.cli.conftest import NASTY, Ended, Syncer
from tests.factory import account
from tests.files import rows, write

SECRET = "da2-very-secret-canary"


def findings(ended: Ended) -> dict[str, tuple[str, str, str | None]]:
    """Verdict, text and hint by check."""
    return {f["check"]: (f["verdict"], f["text"], f["hint"]) for f in ended.json["findings"]}


def found(ws: Workspace, check: str) -> tuple[str, str]:
    """Verdict and text of one check."""
    (one,) = [f for f in ws.doctor().findings if f.check == check]
    return one.verdict, one.text


def test_a_sound_file_passes(connected: Syncer) -> None:
    """Every check is a line, nothing fails, the remotes are asked only on demand, and the exit code is 0."""
    ended = connected("doctor")
    assert (ended.code, ended.err) == (0, "")
    lines = [line for line in ended.out.splitlines() if line[:4].strip() in ("ok", "warn", "fail")]
    assert f"{len(lines)} checks: 0 failed, 0 warnings" in ended.out
    assert "plexus answers" not in ended.out
    ended = connected("doctor", "--remote", "--json")
    assert ended.code == 0
    seen = findings(ended)
    assert {seen[name][0] for name in ("file", "integrity", "ledger", "plexus rows", "plexus answers", "plexus clock")} == {
        "ok"
    }
    assert ended.json["fail"] == 0
    assert all(found["area"] in ("file", "records", "settings", "remote", "program") for found in ended.json["findings"])


def test_before_there_is_a_file(fresh: Syncer) -> None:
    """Without a database there is a warning with the command to run, and none is made."""
    ended = fresh("doctor", "--json")
    assert ended.code == 0
    verdict, text, hint = findings(ended)["file"]
    assert (verdict, hint) == ("warn", "run: syncer init")
    assert str(fresh.path) in text
    assert not fresh.path.exists()


@pytest.mark.parametrize("content", [b"SQLite format 3\x00" + b"\xff" * 4096, b"not a database at all, " * 100])
def test_a_damaged_file_is_5(fresh: Syncer, content: bytes) -> None:
    """What is no database of ours is said to be none, with exit code 5; the settings are still looked at."""
    fresh.path.write_bytes(content)
    ended = fresh("doctor", "--json")
    assert ended.code == 5
    seen = findings(ended)
    assert seen["file"][0] == "fail"
    assert seen["plexus"][0] == "ok"
    assert fresh.path.read_bytes() == content


def test_a_page_that_was_overwritten_is_5(filled: Syncer) -> None:
    """Damage in the middle of the file is found by SQLite's own check."""
    data = bytearray(filled.path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    for page in range(3, len(data) // size - 1):
        data[page * size : page * size + 64] = b"\xa5" * 64
    filled.path.write_bytes(bytes(data))
    ended = filled("doctor")
    assert ended.code == 5, ended
    assert "fail" in ended.out


def test_a_change_that_vanished_is_5(filled: Syncer) -> None:
    """A ledger that does not close fails."""
    write(filled.path, "DELETE FROM outbox WHERE seq = 2")
    ended = filled("doctor", "--json")
    assert (ended.code, findings(ended)["ledger"][0]) == (5, "fail")


def test_a_row_that_is_not_its_base_with_its_edits(synced: Workspace, path: Path) -> None:
    """A field that no waiting edit names but that differs from the base is found, and named by its record."""
    made = account(synced)
    synced.push("plexus")
    synced.plexus.update("Account", made, {"name": "ours"})
    assert found(synced, "plexus rows") == ("ok", "1 with pending changes are consistent")
    write(path, "UPDATE plexus_account SET description = 'meddled'")
    verdict, text = found(synced, "plexus rows")
    assert verdict == "fail"
    assert f"Account {made}" in text
    assert synced.doctor().exit_code == 5


def test_bookkeeping_that_is_left_over(synced: Workspace, path: Path) -> None:
    """A base without a change, a change left in mid-sending, and a pointer at nothing are warnings."""
    made = account(synced)
    synced.push("plexus")
    assert synced.doctor().exit_code == 0
    synced.plexus.create("Item", {"accountId": "nobody", "externalId": "x"})
    assert "1 Item.accountId to a Account" in found(synced, "references")[1]
    write(path, "INSERT INTO _base (remote, model, key, record) VALUES ('plexus', 'Account', ?, '{}')", made)
    assert found(synced, "bases")[0] == "warn"
    write(path, "UPDATE outbox SET state = 'sending', body = '{\"input\":{}}'")
    assert found(synced, "sending")[0] == "warn"
    assert synced.doctor().exit_code == 0


def test_what_others_may_read_is_told(filled: Syncer, tmp_path: Path) -> None:
    """A database or a configuration that is open to others is a warning with the command that closes it."""
    filled.path.chmod(0o644)
    config = tmp_path / "my.toml"
    config.write_text("[plexus]\naccount_key = 'lab'\n")
    config.chmod(0o640)
    seen = findings(filled("--config", str(config), "doctor", "--json"))
    assert seen["permissions"][0] == "warn"
    assert seen["permissions"][2] == f"run: chmod 600 {filled.path}"


def test_settings_that_would_give_credentials_away_are_2(filled: Syncer) -> None:
    """Plain http to another machine fails before anything is sent there."""
    env = {"PLEXUS_API_URL": "http://plexus.example/graphql", "PLEXUS_API_KEY": SECRET}
    ended = filled("doctor", "--remote", "--json", env=env)
    assert ended.code == 2
    verdict, text, _ = findings(ended)["plexus"]
    assert verdict == "fail"
    assert "unencrypted" in text
    assert SECRET not in ended.out + ended.err


def test_a_remote_out_of_reach_is_4(filled: Syncer) -> None:
    """Nobody listens there: said per remote, and the rest is still looked at."""
    env = {"PLEXUS_API_URL": "http://127.0.0.1:9/graphql", "PLEXUS_API_KEY": SECRET}
    ended = filled("doctor", "--remote", "--json", env=env)
    assert ended.code == 4
    assert findings(ended)["plexus answers"][0] == "fail"
    assert SECRET not in ended.out + ended.err


def test_wrong_credentials_are_4(connected: Syncer) -> None:
    """A key that the remote does not take is named by its setting, never shown."""
    ended = connected("doctor", "--remote", env={"PLEXUS_API_KEY": SECRET})
    assert ended.code == 4
    assert "check PLEXUS_API_KEY" in ended.out
    assert SECRET not in ended.out + ended.err


def test_a_clock_that_is_far_off(path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's clock is compared with ours; an hour is a warning that says which way."""
    for name, value in settings_of(sandbox).items():
        monkeypatch.setenv(name, value)
    later = format_datetime(clock.now() + timedelta(hours=1), usegmt=True)
    with Workspace.open(path) as ws:
        (one,) = [f for f in ws.doctor(remote=True).findings if f.check == "abeja clock"]
        assert one.verdict == "ok"
        sandbox.faults.fail_next(200, {"Content-Type": "application/json", "Date": later}, STALE)
        (one,) = [f for f in ws.doctor(remote=True).findings if f.check == "abeja clock"]
    assert one.verdict == "warn"
    assert re.fullmatch(r"this machine's clock is 3,(59|60)\d s behind the server's", one.text)


def test_a_deployment_that_differs(filled: Syncer) -> None:
    """Fields it lacks or has besides are warnings, remembered for the next sync; one it demands says to upgrade."""
    options = Options(
        missing_fields={"Item": ["text"]}, extra_fields={"Item": {"mood": "String"}, "Account": {"plan": "String!"}}
    )
    with Sandbox(options) as server:
        env = {name: value for name, value in server.settings.items() if name.startswith("PLEXUS_")}
        ended = filled("doctor", "--remote", env=env)
    assert ended.code == 0
    assert "has no Item.text: kept here, not sent" in ended.out
    assert "has Account.plan, Item.mood, unknown to this version" in ended.out
    assert "wants Account.plan in every create" in ended.out
    assert upgrade_hint() in ended.out
    known = rows(filled.path, "SELECT model, field, kind FROM _schema_drift WHERE field != '' ORDER BY field, kind")
    assert known == [
        ("Item", "mood", "unknown"), ("Account", "plan", "demanded"), ("Account", "plan", "unknown"),
        ("Item", "text", "absent"),
    ]  # fmt: skip


def test_a_schema_that_is_not_told_is_a_warning(filled: Syncer) -> None:
    """A deployment without introspection is reached all the same."""
    with Sandbox(Options(introspection=False)) as server:
        env = {name: value for name, value in server.settings.items() if name.startswith("PLEXUS_")}
        ended = filled("doctor", "--remote", "--json", env=env)
    assert ended.code == 0
    assert findings(ended)["plexus answers"][0] == "warn"


def test_hostile_keys_do_not_steer_the_terminal(filled: Syncer) -> None:
    """What a record is called is shown harmlessly."""
    write(filled.path, "UPDATE outbox SET key = ? WHERE seq = 2", NASTY)
    ended = filled.on_terminal("doctor")
    assert ended.code == 5
    assert "\x1b[31mred" not in ended.out


def test_an_unsafe_place_is_told_and_not_opened(filled: Syncer, tmp_path: Path) -> None:
    """A second name fails with cure and override, the rest is still looked at; allowed, it is a warning with its price."""
    (tmp_path / "other.db").hardlink_to(filled.path)
    ended = filled("doctor", "--json")
    assert ended.code == 5
    seen = findings(ended)
    verdict, text, hint = seen["hard-link"]
    assert (verdict, "2 names" in text) == ("fail", True)
    assert "cp -p" in (hint or "")
    assert "SYNCER_ALLOW=hard-link" in (hint or "")
    assert "integrity" not in seen
    assert seen["plexus"][0] == "ok"
    seen = findings(filled("doctor", "--json", env={"SYNCER_ALLOW": "hard-link"}))
    assert (seen["hard-link"][0], seen["integrity"][0], seen["ledger"][0]) == ("warn", "ok", "ok")
    assert "is lost" in seen["hard-link"][1]


def test_config_tells_every_source(filled: Syncer, tmp_path: Path) -> None:
    """Option, environment, file and default are told apart; credentials are only said to be set."""
    config = tmp_path / "my.toml"
    config.write_text(
        f"durability = 'normal'\nallow = ['mounted-file', 'hard-link']\n[plexus]\n"
        f"api_url = 'https://me:{SECRET}@plexus.example/graphql'\napi_key = '{SECRET}'\n"
        "[profile.p.plexus]\naccount_key = 'lab'\n"
    )
    env = {"PREFACTOR_API_TOKEN": SECRET, "SYNCER_PROFILE": "p"}
    ended = filled("config", "--json", "--config", str(config), "--db", str(filled.path), env=env)
    assert ended.code == 0
    shown: dict[str, Any] = ended.json
    assert {s["name"]: (s["value"], s["source"]) for s in shown["settings"]} == {
        "db": (str(filled.path), "option"),
        "durability": ("normal", "file"),
        "allow": ("hard-link, mounted-file", "file"),
        "profile": ("p", "environment"),
    }
    plexus = {s["env"]: (s["value"], s["source"]) for s in shown["remotes"]["plexus"]["settings"]}
    assert plexus["PLEXUS_API_KEY"] == ("set", "file")
    assert plexus["PLEXUS_API_URL"] == ("https://***@plexus.example/graphql", "file")
    assert plexus["PLEXUS_ACCOUNT_KEY"] == ("lab", "file")
    assert plexus["PLEXUS_TIMEOUT_S"] == (None, "not set")
    assert shown["remotes"]["prefactor"]["missing"] == ["PREFACTOR_API_URL"]
    for arguments in (("config",), ("config", "--json"), ("-v", "doctor")):
        ended = filled(*arguments, env={**env, "SYNCER_CONFIG": str(config)})
        assert SECRET not in ended.out + ended.err
    assert "PREFACTOR_API_TOKEN  set  (environment)" in filled("config", env=env | {"SYNCER_PROFILE": ""}).out


def test_from_python_it_is_the_same(ws: Workspace) -> None:
    """``Workspace.doctor()`` gives what the command prints."""
    pairs = [[(f.check, f.verdict) for f in found.findings] for found in (ws.doctor(), examine(ws.settings))]
    assert pairs[0] == pairs[1]
