"""A program of an original client runs when only the first part of each import is changed.

The tables name every module that the inventories of the originals name, and what a program finds in it.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import syncer.workspace
from syncer import Workspace
from tests.files import rows
from tests.prefactor.inventory import inventory

ROOT = Path(__file__).parents[1]
FIRST_PARTS = {
    "plexus.dashboard.api": "syncer.plexus",
    "prefactor_http": "syncer.prefactor",
    "abeja.runs": "syncer.abeja",
    "abeja": "syncer.abeja",
}
"""What is changed in an import: the first line that fits. ``abeja.exceptions`` lies beside ``abeja.runs``."""

PATHS = {
    "plexus.dashboard.api.client": ("ClientContext PlexusDashboardClient _BaseAPIClient GraphQLRetryPolicy"),
    "plexus.dashboard.api.namespaces": "ScoreResultNamespace ScorecardNamespace AccountNamespace",
    "plexus.dashboard.api.models": (
        "Account BaseModel BatchJob DataSet DataSource Evaluation FeedbackChangeDetail "
        "FeedbackItem Identifier Item Report ReportBlock ReportConfiguration Score ScoreResult "
        "Scorecard ScoringJob Task TaskStage"
    ),
    "plexus.dashboard.api.models.account": "Account",
    "plexus.dashboard.api.models.base": "BaseModel",
    "plexus.dashboard.api.models.batch_job": "BatchJob",
    "plexus.dashboard.api.models.data_set": "DataSet",
    "plexus.dashboard.api.models.data_source": "DataSource",
    "plexus.dashboard.api.models.evaluation": "Evaluation",
    "plexus.dashboard.api.models.feedback_change_detail": "FeedbackChangeDetail",
    "plexus.dashboard.api.models.feedback_item": "FeedbackItem",
    "plexus.dashboard.api.models.identifier": "Identifier",
    "plexus.dashboard.api.models.item": "Item",
    "plexus.dashboard.api.models.report": "Report",
    "plexus.dashboard.api.models.report_block": "ReportBlock",
    "plexus.dashboard.api.models.report_configuration": "ReportConfiguration",
    "plexus.dashboard.api.models.score": "Score",
    "plexus.dashboard.api.models.score_result": "ScoreResult",
    "plexus.dashboard.api.models.scorecard": "Scorecard",
    "plexus.dashboard.api.models.scoring_job": "ScoringJob",
    "plexus.dashboard.api.models.task": "Task",
    "plexus.dashboard.api.models.task_stage": "TaskStage",
    "prefactor_http": (
        "PrefactorHttpClient HttpClientConfig PrefactorHttpError PrefactorApiError "
        "PrefactorAuthError PrefactorClientError PrefactorNotFoundError "
        "PrefactorRetryExhaustedError PrefactorValidationError AgentStatus FinishStatus "
        "AgentInstance AgentInstanceSpanCounts AgentVersionForRegister "
        "AgentSchemaVersionForRegister FinishInstanceRequest SpanTypeSchemaForCreate AgentSpan "
        "ApiResponse BulkItem BulkRequest BulkResponse BulkOutput"
    ),
    "prefactor_http.client": "PrefactorHttpClient",
    "prefactor_http.config": "HttpClientConfig",
    "prefactor_http.endpoints": "AgentInstanceClient AgentSpanClient BulkClient",
    "prefactor_http.endpoints.agent_instance": "AgentInstanceClient",
    "prefactor_http.endpoints.agent_span": "AgentSpanClient",
    "prefactor_http.endpoints.bulk": "BulkClient",
    "prefactor_http.exceptions": (
        "PrefactorHttpError PrefactorApiError PrefactorAuthError PrefactorNotFoundError "
        "PrefactorValidationError PrefactorRetryExhaustedError PrefactorClientError "
        "PrefactorResponseContractError"
    ),
    "prefactor_http.models": (
        "AgentStatus FinishStatus AgentInstance AgentInstanceSpanCounts AgentVersionForRegister "
        "AgentSchemaVersionForRegister FinishInstanceRequest SpanTypeSchemaForCreate AgentSpan "
        "BulkItem BulkRequest BulkResponse BulkOutput ApiResponse"
    ),
    "prefactor_http.models.agent_instance": (
        "SpanTypeSchemaForCreate AgentInstanceSpanCounts AgentVersionForRegister "
        "AgentSchemaVersionForRegister RegisterAgentInstanceRequest TimestampRequest "
        "FinishInstanceRequest AgentInstance"
    ),
    "prefactor_http.models.agent_span": "CreateAgentSpanRequest FinishSpanRequest AgentSpan",
    "prefactor_http.models.base": ("ApiResponse ApiError DetailedApiError PaginationOutput Sorting ListResponse"),
    "prefactor_http.models.bulk": "BulkItem BulkRequest BulkOutput BulkResponse",
    "prefactor_http.models.types": "AgentStatus FinishStatus",
    "prefactor_http.retry": "RetryHandler",
    "abeja.runs": "APIClient",
    "abeja.runs.api.client": "APIClient",
    "abeja.common.api_client": "BaseAPIClient",
    "abeja.common.auth": (
        "get_token_from_environment get_user_basic_auth_from_environment "
        "get_datasource_basic_auth_from_environment get_credential"
    ),
    "abeja.common.connection": (
        "DEFAULT_MAX_RETRY_COUNT DEFAULT_CONNECTION_TIMEOUT SDK_CONNECTION_TIMEOUT_ENV_KEY SDK_MAX_RETRY_COUNT_ENV_KEY"
    ),
    "abeja.exceptions": (
        "Error HttpError BadRequest Unauthorized Forbidden NotFound MethodNotAllowed Conflict "
        "InternalServerError UnsupportedURI InvalidDataFormat ResourceNotFound "
        "InvalidPathException EtagHashNotMatch"
    ),
}

STILL_TO_COME = {
    "plexus.dashboard.api.client": (
        "DEFAULT_GRAPHQL_RETRY_POLICY LONG_RUNNING_WRITE_RETRY_POLICY "
        "CHAT_STREAM_WRITE_RETRY_POLICY DEFAULT_GRAPHQL_RETRY_POLICY_NAME "
        "LONG_RUNNING_WRITE_RETRY_POLICY_NAME CHAT_STREAM_WRITE_RETRY_POLICY_NAME"
    ),
    "plexus.dashboard.api.models.aggregated_metrics": "AggregatedMetrics",
    "plexus.dashboard.api.models.experiment_template": "ExperimentTemplate",
    "plexus.dashboard.api.models.procedure": "Procedure",
    "plexus.dashboard.api.models.procedure_template": "ProcedureTemplate",
    "prefactor_http": (
        "InstancePurpose AgentInstanceRecordQuality QualitySchemaDetails QualitySchemaForCreate RuntimeEnvironment"
    ),
    "prefactor_http._version": "PACKAGE_NAME PACKAGE_VERSION __version__",
    "prefactor_http.client": "DEFAULT_SDK_HEADER",
    "prefactor_http.endpoints": "AgentClient",
    "prefactor_http.endpoints.agent": "AgentClient",
    "prefactor_http.exceptions": "is_transient_http_error is_permanent_http_error",
    "prefactor_http.models": ("Agent AgentAvailableActions AgentForCreate AgentForUpdate AgentInstanceCounts AgentSummary"),
    "prefactor_http.models.agent": (
        "Agent AgentAvailableActions AgentForCreate AgentForUpdate AgentInstanceCounts AgentSummary"
    ),
    "prefactor_http.models.agent_instance": (
        "ActionProfile DataCategories DataRisk QualitySchemaForCreate QualitySchemaDetails "
        "AgentInstanceRecordQuality RuntimeEnvironment"
    ),
    "prefactor_http.models.types": "InstancePurpose",
    "abeja.common.connection": "Connection",
}
"""Names of newer releases (Plexus 1.50.1, prefactor-http 0.4.3), and one class that is no API, without code here.

Move a name to ``PATHS`` as soon as its code exists.
"""

EACH = [pytest.param(path, name, id=f"{path}:{name}") for path, names in PATHS.items() for name in names.split()]
MISSING = [pytest.param(path, name, id=f"{path}:{name}") for path, names in STILL_TO_COME.items() for name in names.split()]

PROGRAMS = {
    "plexus": """
from plexus.dashboard.api.client import ClientContext, GraphQLRetryPolicy, PlexusDashboardClient
from plexus.dashboard.api.models.base import BaseModel
from plexus.dashboard.api.models import Scorecard, ScoringJob
import plexus.dashboard.api.models.scoring_job as jobs
client = PlexusDashboardClient(context=ClientContext(account_key="lab"))
card = Scorecard.create(client, name="Quality", key="quality", externalId="17", accountId="an-account")
assert isinstance(card, BaseModel) and jobs.ScoringJob is ScoringJob
""",
    "prefactor": """
import prefactor_http.exceptions
from prefactor_http import HttpClientConfig, PrefactorHttpClient
from prefactor_http.models.base import ApiResponse
async def main():
    async with PrefactorHttpClient(HttpClientConfig(api_url="https://nowhere.example", api_token="t")) as client:
        await client.agent_instances.register("my-agent", {"name": "v1"}, {"external_identifier": "schema-1"})
        try:
            await client.agent_instances.start("")
        except prefactor_http.exceptions.PrefactorHttpError:
            pass
run(main())
""",
    "abeja": """
from abeja.common.connection import DEFAULT_MAX_RETRY_COUNT
from abeja.exceptions import NotFound
from abeja.runs import APIClient
from abeja.runs.api.client import APIClient as Same
client = APIClient()
assert Same is APIClient and DEFAULT_MAX_RETRY_COUNT == 5
run = client.create_run("1111111111111", "2222222222222", "ver-3333333333333333")
try:
    client.get_run("1111111111111", "2222222222222", "run-4444444444444444")
except NotFound:
    pass
""",
}
TABLES = {"plexus": "plexus_scorecard", "prefactor": "prefactor_agent_instance", "abeja": "abeja_run"}


def ours(path: str) -> str:
    """The path of an original's module with its first part changed."""
    first = next(part for part in FIRST_PARTS if path == part or path.startswith(f"{part}."))
    return FIRST_PARTS[first] + path.removeprefix(first)


@cache
def modules(package: str) -> tuple[ModuleType, ...]:
    """Every module below one of our packages."""
    top = importlib.import_module(package)
    found = pkgutil.walk_packages(top.__path__, f"{package}.")
    return tuple(importlib.import_module(module.name) for module in found)


def holders(package: str, name: str) -> Iterator[Any]:
    """What every module of one of our packages holds under a name."""
    for module in modules(package):
        held = vars(module).get(name)
        # The engine's Report, which the clients use inside, is another class than Plexus's Report.
        if held is not None and not getattr(held, "__module__", "").startswith("syncer.engine."):
            yield held


@pytest.mark.parametrize(("path", "name"), EACH)
def test_every_original_path_leads_to_the_same_object(path: str, name: str) -> None:
    """The name is there, and all modules that have a public class of that name have the identical one."""
    module = importlib.import_module(ours(path))
    found = getattr(module, name)
    package = ".".join(module.__name__.split(".")[:2])
    assert all(other is found for other in holders(package, name))


@pytest.mark.parametrize(("path", "name"), MISSING)
def test_what_is_still_to_come_is_known(path: str, name: str) -> None:
    """A name is missing exactly as long as it is listed as still to come."""
    assert find_spec(ours(path)) is None or not hasattr(importlib.import_module(ours(path)), name)


def test_no_class_of_an_inventory_is_left_out() -> None:
    """The tables name every module, class and function of the three inventories that this repository keeps."""
    listed = {path: {*names.split(), *STILL_TO_COME.get(path, "").split()} for path, names in PATHS.items()}
    for entry in (entry for remote in ("plexus", "prefactor", "abeja") for entry in inventory(remote)):
        constants = [name for name in entry["attributes"] if not name.startswith("__")]
        functions = [method["name"] for method in entry["methods"]]
        wanted = {*constants, *functions} if entry["class"] == "(module)" else {entry["class"]}
        for path in (entry["module"], *entry.get("also_at", [])):
            assert wanted <= listed[path], path


def test_a_module_of_only_names_holds_no_code() -> None:
    """What stands at an original's path for its name alone re-exports, and does nothing else."""
    for path in ("plexus/models/base.py", "plexus/namespaces.py", "prefactor/models/base.py", "abeja/common/auth.py"):
        tree = ast.parse((ROOT / "syncer" / path).read_text("utf-8"))
        assert all(isinstance(node, ast.Expr | ast.ImportFrom) for node in tree.body), path


@pytest.mark.parametrize("remote", PROGRAMS)
def test_a_program_of_an_original_client_runs(remote: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its imports get another first part, and it writes into the local file: without a network, and without a sign-in."""
    monkeypatch.setenv("SYNCER_DB", str(path))
    Workspace.open(path).close()
    first_part = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, FIRST_PARTS))})\b")
    text = first_part.sub(lambda found: FIRST_PARTS[found[0]], PROGRAMS[remote])
    try:
        exec(compile(text, "program.py", "exec"), {"run": asyncio.run})
    finally:
        syncer.workspace.shared().close()
    assert rows(path, f"SELECT count(*) FROM {TABLES[remote]}") == [(1,)]
    assert rows(path, "SELECT state FROM outbox") == [("pending",)]
