"""``prefactor_http.models.base``: the original's path to these classes."""

from __future__ import annotations

from syncer.prefactor.models.answers import ApiError as ApiError
from syncer.prefactor.models.answers import ApiResponse as ApiResponse
from syncer.prefactor.models.answers import DetailedApiError as DetailedApiError
from syncer.prefactor.models.answers import ListResponse as ListResponse
from syncer.prefactor.models.answers import PaginationOutput as PaginationOutput
from syncer.prefactor.models.answers import Sorting as Sorting
