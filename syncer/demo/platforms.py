"""Prefactor and ABEJA as somebody without syncer sees them, next to the local file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from syncer.demo.compare import Comparison, Difference
from syncer.demo.processes import Broken
from syncer.demo.trace import AGENT, DEPLOYMENT, ORGANIZATION
from syncer.store.reader import Reader

_TRIES = 60
_INSTANCE = ("status", "started_at", "finished_at")
_SPAN = (
    "agent_instance_id",
    "parent_span_id",
    "schema_name",
    "status",
    "payload",
    "result_payload",
    "started_at",
    "finished_at",
)
_RUN = ("status", "user_env_vars", "created_at", "modified_at")
_DOUBLED = """
    SELECT remote || ' ' || model || ' ' || op || ' ' || who, n FROM (
        SELECT remote, model, op, count(*) AS n,
               CASE remote WHEN 'abeja' THEN json_extract(mark, '$.SYNCER_OP_ID') ELSE mark END AS who
        FROM effect WHERE remote <> 'plexus' GROUP BY remote, model, op, who) WHERE n > 1
"""


def compared(local: Reader, settings: Mapping[str, str], sandbox_file: Path) -> Comparison:
    """Compare instances, spans and runs with what their APIs answer, and count effects by key and by marker."""
    found = Comparison()
    token = {"Authorization": f"Bearer {settings['PREFACTOR_API_TOKEN']}"}
    api = f"{settings['PREFACTOR_API_URL']}/api/v1"
    instances = _get(f"{api}/agent_instance", token, {"agent_id": AGENT, "pagination[page_size]": "100"})["summaries"]
    spans = [
        span
        for instance in instances
        for span in _get(f"{api}/agent_spans", token, {"agent_instance_id": instance["id"], "pagination[page_size]": "100"})[
            "summaries"
        ]
    ]
    runs = _get(
        f"{settings['ABEJA_API_URL']}/organizations/{ORGANIZATION}/deployments/{DEPLOYMENT}/runs",
        {"Authorization": f"Bearer {settings['PLATFORM_AUTH_TOKEN']}"},
        {},
    )["entries"]
    for run in runs:
        run["user_env_vars"].pop("SYNCER_OP_ID", None)
    _compare(found, local, "AgentInstance", "prefactor_agent_instance", "id", _INSTANCE, instances)
    _compare(found, local, "AgentSpan", "prefactor_agent_span", "id", _SPAN, spans)
    _compare(found, local, "Run", "abeja_run", "run_id", _RUN, runs)
    with closing(sqlite3.connect(f"{sandbox_file.absolute().as_uri()}?mode=ro", uri=True)) as log:
        found.doubled = [f"{what} was applied {n} times" for what, n in log.execute(_DOUBLED)]
    return found


def _compare(
    found: Comparison, local: Reader, model: str, table: str, key: str, names: tuple[str, ...], records: list[dict[str, Any]]
) -> None:
    there = {record[key]: record for record in records}
    here = {
        row[0]: dict(zip(names, row[1:], strict=True)) for row in local.all(f"SELECT {key}, {', '.join(names)} FROM {table}")
    }
    found.rows[model] = (len(here), len(there))
    for each in sorted(here.keys() | there.keys()):
        if each not in here or each not in there:
            found.differences.append(Difference(model, each, None, each in here or None, each in there or None))
            continue
        for name in names:
            found.values += 1
            ours, theirs = _plain(name, here[each][name]), _plain(name, there[each].get(name))
            if ours != theirs:
                found.differences.append(Difference(model, each, name, ours, theirs))


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str) and name.endswith("_at"):
        return datetime.fromisoformat(value).astimezone(UTC)
    if isinstance(value, str) and name in ("payload", "result_payload", "user_env_vars"):
        return json.loads(value)
    return value


def _get(url: str, headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    """One answer; lost ones and throttling are met by asking again at once, which a loopback address bears."""
    with requests.Session() as session:
        session.trust_env = False
        for attempt in range(1, _TRIES + 1):
            try:
                response = session.get(url, headers=dict(headers), params=dict(query), timeout=30, allow_redirects=False)
                response.raise_for_status()
                answer: dict[str, Any] = response.json()
            except requests.RequestException as exc:
                if attempt == _TRIES:
                    raise Broken(f"{url} gave no answer to {_TRIES} requests, at last: {exc}") from exc
                continue
            return answer
    raise AssertionError("the last try returns or raises")
