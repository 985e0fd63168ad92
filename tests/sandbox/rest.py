"""Plain callers of the REST platforms, and what their answers must look like."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from syncer.sandbox import Sandbox

INSTANCE = {
    "type": str,
    "id": str,
    "account_id": str,
    "agent_id": str,
    "agent_version_id": str,
    "agent_deployment_id": str,
    "environment_id": str,
    "status": str,
    "inserted_at": str,
    "updated_at": str,
    "started_at": str | None,
    "finished_at": str | None,
    "termination_reason": str | None,
    "span_counts": dict,
}
SPAN = {
    "type": str,
    "id": str,
    "account_id": str,
    "agent_id": str,
    "agent_instance_id": str,
    "parent_span_id": str | None,
    "schema_name": str,
    "schema_title": str,
    "status": str,
    "payload": dict,
    "result_payload": dict | None,
    "summary": str | None,
    "started_at": str | None,
    "inserted_at": str,
    "updated_at": str,
    "finished_at": str | None,
}
COUNTS = {"total", "pending", "active", "complete", "failed", "cancelled", "finished"}
PAGINATION = {
    "item_count",
    "item_end",
    "item_start",
    "next_page_offset",
    "page_count",
    "page_index",
    "page_offset",
    "page_size",
    "previous_page_offset",
}
RUN = {
    "run_id": str,
    "deployment_id": str,
    "model_version_id": str,
    "model_version": str,
    "models": dict,
    "input_data": dict,
    "output_template": dict | None,
    "retry_count": int,
    "status": str,
    "user_env_vars": dict,
    "created_at": str,
    "modified_at": str,
}


def assert_shape(record: Mapping[str, Any], shape: Mapping[str, Any]) -> None:
    """Every field of ``shape`` is there with its type."""
    wrong = {
        name: record.get(name, "missing") for name, kind in shape.items() if not isinstance(record.get(name, ...), kind)
    }
    assert wrong == {}
    if record.get("type") == "agent_instance":
        assert record["span_counts"].keys() == COUNTS


class Reply:
    """Status, headers and body of one answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        return json.loads(self.text)

    @property
    def details(self) -> dict[str, Any]:
        """What a Prefactor request got; fails on any refusal."""
        assert (self.status, self.json["status"]) == (200, "success"), self.text
        return self.json["details"]

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code of a Prefactor refusal, whose body has the documented form."""
        assert self.json["status"] == "error"
        assert isinstance(self.json["message"], str)
        return self.status, self.json["code"]

    @property
    def errors(self) -> dict[str, Any]:
        """The fields a Prefactor validation refuses."""
        assert self.refusal == (422, "validation_errors")
        return self.json["errors"]

    @property
    def error(self) -> tuple[int, str]:
        """Status and name of an ABEJA refusal, whose body has the documented form."""
        assert isinstance(self.json["error_description"], str)
        return self.status, self.json["error"]

    @property
    def field(self) -> str:
        """The field an ABEJA bad request names."""
        assert self.error == (400, "bad_request")
        (detail,) = self.json["error_detail"]
        return detail["field"]


class Rest:
    """One kept-alive connection to a sandbox, below ``prefix``."""

    def __init__(self, sandbox: Sandbox, prefix: str, token: str) -> None:
        self.sandbox = sandbox
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._prefix = prefix
        self._connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)

    def send(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Any request."""
        self._connection.request(method, self._prefix + path, body, dict(self.headers if headers is None else headers))
        return Reply(self._connection.getresponse())

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Reply:
        """A read."""
        return self.send("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """A write."""
        return self.send("POST", path, json.dumps(body).encode())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class PrefactorCaller(Rest):
    """Prefactor's API as a client without any cleverness calls it."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, "/prefactor/api/v1", sandbox.settings["PREFACTOR_API_TOKEN"])

    def register(self, **fields: Any) -> Reply:
        """Register an instance of the sandbox's agent."""
        given = {"agent_id": self.sandbox.prefactor.agent_id, "agent_version": {}, "agent_schema_version": {}}
        return self.post("/agent_instance/register", given | fields)

    def act(self, instance_id: str, action: str, **fields: Any) -> Reply:
        """Start or finish an instance."""
        return self.post(f"/agent_instance/{instance_id}/{action}", fields)

    def active(self, **fields: Any) -> str:
        """The id of an instance that is registered and started."""
        made = self.register(**fields).details["id"]
        return self.act(made, "start").details["id"]

    def span(self, instance_id: str, status: str = "active", **fields: Any) -> Reply:
        """Create a span."""
        return self.post(
            "/agent_spans", {"details": {"agent_instance_id": instance_id, "schema_name": "s", "status": status} | fields}
        )

    def finish_span(self, span_id: str, **fields: Any) -> Reply:
        """Finish a span."""
        return self.post(f"/agent_spans/{span_id}/finish", fields)

    def bulk(self, *items: Mapping[str, Any]) -> Reply:
        """Many at once."""
        return self.post("/bulk", {"items": list(items)})


class AbejaCaller(Rest):
    """ABEJA's Run API as a client without any cleverness calls it."""

    def __init__(self, sandbox: Sandbox) -> None:
        organization, deployment = sandbox.abeja.organization_id, sandbox.abeja.deployment_ids[0]
        prefix = f"/abeja/organizations/{organization}/deployments/{deployment}/runs"
        super().__init__(sandbox, prefix, sandbox.settings["PLATFORM_AUTH_TOKEN"])

    def create(self, **fields: Any) -> Reply:
        """Make a run."""
        return self.post("", {"version_id": "ver-1111111111111111", "environment": {}} | fields)
