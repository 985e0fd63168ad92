"""Many operations in one call: ``client.bulk``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from syncer.prefactor.errors import PrefactorApiError
from syncer.prefactor.models import BulkItem, BulkOutput, BulkRequest, BulkResponse
from syncer.prefactor.operations import Operations

if TYPE_CHECKING:
    from syncer.prefactor.client import PrefactorHttpClient

BULK_PATH = "/api/v1/bulk"


class BulkClient:
    """Operations done in the local file in order, each in a transaction of its own, up to the first that fails."""

    def __init__(self, http_client: PrefactorHttpClient) -> None:
        self._http_client = http_client

    async def execute(self, request: BulkRequest) -> BulkResponse:
        """Outputs by key; those behind the first error are missing, as the API leaves them. Lists are of the local file."""
        return await asyncio.to_thread(lambda: executed(self._http_client.operations, request))


def executed(operations: Operations, request: BulkRequest) -> BulkResponse:
    """The same, when called in a thread that may wait for the file."""
    outputs: dict[str, BulkOutput] = {}
    for item in request.items:
        output = outputs[item.idempotency_key] = BulkOutput.model_validate(_output(operations, item))
        if output.status == "error":
            break
    return BulkResponse(outputs=outputs)


def _output(operations: Operations, item: BulkItem) -> dict[str, Any]:
    if not operations.knows(item.type):
        return _error("not_supported", f"{item.type} cannot be done offline")
    try:
        return {"status": "success", **operations.run(item.type, item.model_extra or {}, item.idempotency_key)}
    except PrefactorApiError as exc:
        errors = getattr(exc, "errors", None)
        return _error(exc.code, str(exc)) | ({"errors": errors} if errors else {})


def _error(code: str, message: str) -> dict[str, Any]:
    return {"status": "error", "code": code, "message": message}
