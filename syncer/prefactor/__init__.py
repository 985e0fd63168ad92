"""Prefactor as `prefactor-http` spells it, over the local file: change the import line, keep the program.

>>> from syncer.prefactor import BulkItem, BulkRequest, HttpClientConfig, PrefactorHttpClient

``__all__`` is that of prefactor-http 0.1.0, whose API this is; ``__version__`` says so, and is not the version of syncer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.lazy import lazily

if TYPE_CHECKING:
    from syncer.prefactor.client import PrefactorHttpClient
    from syncer.prefactor.config import HttpClientConfig
    from syncer.prefactor.errors import (
        PrefactorApiError,
        PrefactorAuthError,
        PrefactorClientError,
        PrefactorHttpError,
        PrefactorNotFoundError,
        PrefactorRetryExhaustedError,
        PrefactorValidationError,
    )
    from syncer.prefactor.errors import (
        PrefactorResponseContractError as PrefactorResponseContractError,
    )
    from syncer.prefactor.models import (
        AgentInstance,
        AgentInstanceSpanCounts,
        AgentSchemaVersionForRegister,
        AgentSpan,
        AgentStatus,
        AgentVersionForRegister,
        ApiResponse,
        BulkItem,
        BulkOutput,
        BulkRequest,
        BulkResponse,
        FinishInstanceRequest,
        FinishStatus,
        SpanTypeSchemaForCreate,
    )

__version__ = "0.1.0"

__all__ = [
    "PrefactorHttpClient",
    "HttpClientConfig",
    "PrefactorHttpError",
    "PrefactorApiError",
    "PrefactorAuthError",
    "PrefactorClientError",
    "PrefactorNotFoundError",
    "PrefactorRetryExhaustedError",
    "PrefactorValidationError",
    "AgentStatus",
    "FinishStatus",
    "AgentInstance",
    "AgentInstanceSpanCounts",
    "AgentVersionForRegister",
    "AgentSchemaVersionForRegister",
    "FinishInstanceRequest",
    "SpanTypeSchemaForCreate",
    "AgentSpan",
    "ApiResponse",
    "BulkItem",
    "BulkRequest",
    "BulkResponse",
    "BulkOutput",
]

_CLIENT, _CONFIG, _ERRORS, _MODELS = (f"syncer.prefactor.{room}" for room in ("client", "config", "errors", "models"))
_HOMES = {name: _ERRORS if name.endswith("Error") else _MODELS for name in [*__all__, "PrefactorResponseContractError"]}
_HOMES |= {"PrefactorHttpClient": _CLIENT, "HttpClientConfig": _CONFIG}


__getattr__, __dir__ = lazily(__name__, _HOMES)
