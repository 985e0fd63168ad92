"""The envelopes of answers: one record, a page of records, an error.

What an answer says beside the record, such as ``control``, is in ``model_extra``.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, model_validator

from syncer.prefactor.models.types import KEEP_UNKNOWN, filled

T = TypeVar("T")


class ApiResponse(BaseModel, Generic[T]):
    """An answer about one record, which is ``details``."""

    model_config = KEEP_UNKNOWN

    status: str
    details: T


class ApiError(BaseModel):
    """The body of an error."""

    model_config = KEEP_UNKNOWN

    status: str = "error"
    code: str
    message: str


class DetailedApiError(ApiError):
    """The body of an error that names fields."""

    errors: dict[str, Any]


class PaginationOutput(BaseModel):
    """Where a page lies. Items and pages count from 1, offsets from 0; the last page has no ``next_page_offset``."""

    model_config = KEEP_UNKNOWN

    item_count: int
    item_end: int
    item_start: int
    next_page_offset: int | None
    page_count: int
    page_index: int
    page_offset: int
    page_size: int
    previous_page_offset: int | None

    @model_validator(mode="before")
    @classmethod
    def _missing_offsets_are_none(cls, given: Any) -> Any:
        return filled(given, ("next_page_offset", "previous_page_offset"), None)


class Sorting(BaseModel):
    """How a list is sorted; ``direction`` is ``asc`` or ``desc``."""

    model_config = KEEP_UNKNOWN

    field: str
    direction: str


_OrNothing = BeforeValidator(lambda given: given or None)  # the API says {} for none


class ListResponse(BaseModel, Generic[T]):
    """A page of records."""

    model_config = KEEP_UNKNOWN

    status: str
    summaries: list[T]
    pagination: Annotated[PaginationOutput | None, _OrNothing]
    sorting: Annotated[Sorting | None, _OrNothing]

    @model_validator(mode="before")
    @classmethod
    def _missing_parts_are_none(cls, given: Any) -> Any:
        return filled(given, ("pagination", "sorting"), None)
