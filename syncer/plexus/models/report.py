"""Reports: what came out of a report configuration's run; their content is in their blocks.

Source: docs/remotes/plexus.md#reports
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer import clock
from syncer.errors import InvalidInput
from syncer.plexus.models.base_model import BaseModel
from syncer.records.api import UnitOfWork

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_FIXED = (
    "status", "startedAt", "completedAt", "errorMessage", "errorDetails",  # these are the task's
    "taskId", "accountId", "reportConfigurationId", "createdAt",
)  # fmt: skip


@dataclass
class Report(BaseModel):
    """A report. ``parameters`` is a dict, ``output`` text; status and errors are those of the task ``taskId``."""

    id: str
    reportConfigurationId: str
    accountId: str
    name: str
    taskId: str
    createdAt: datetime
    updatedAt: datetime
    parameters: dict[str, Any] | None = None
    output: str | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None) -> Report:
        """A report of a record as GraphQL answers it, or as ``ws.plexus`` does; a missing time is now.

        Raises: InvalidInput (a ValueError) when a field that every report has, ``taskId`` for one, is not in ``data``.
        """
        now = clock.now()
        times = {name: data.get(name) or now for name in ("createdAt", "updatedAt")}
        return super().from_dict({**data, **times}, client)

    @classmethod
    def create(
        cls,
        client: Session,
        reportConfigurationId: str,
        accountId: str,
        taskId: str,
        name: str,
        parameters: dict[str, Any] | None = None,
        output: str | None = None,
    ) -> Report:
        """A new report, stored when this returns. ``parameters``: a dict or JSON text, ``{}`` when absent.

        Raises: InvalidInput (a ValueError).
        """
        fields = {
            "reportConfigurationId": reportConfigurationId,
            "accountId": accountId,
            "taskId": taskId,
            "name": name,
            "parameters": {} if parameters is None else parameters,
            "output": output,
        }
        return cls._created(client, fields)

    @classmethod
    def get_by_name(cls, name: str, account_id: str, client: Session) -> Report | None:
        """The report of this account with this name that changed last, None when the local file has none."""
        return cls._first(client, {"accountId": account_id, "name": name}, "-updatedAt")

    @classmethod
    def list_by_account_id(
        cls, account_id: str, client: Session, limit: int = 100, max_items: int | None = None
    ) -> list[Report]:
        """The reports of an account in the local file, the one that changed last first; ``max_items`` at most.

        ``limit`` was the size of a page; the list is complete whatever it is. Raises: InvalidInput for a negative number.
        """
        return cls._all(client, {"accountId": account_id}, "-updatedAt", max_items)

    def update(self, **kwargs: Any) -> Report:
        """This report with ``name``, ``parameters``, ``output`` or another field changed, here and in the local file.

        None leaves a field as it is, except ``output``, which it removes. Raises: InvalidInput (a ValueError) for a field
        that is the task's (status, times, errors) or never changes (task, account, configuration, createdAt), or that a
        report does not have; RecordNotFound.
        """
        fixed = [name for name in _FIXED if name in kwargs]
        if fixed:
            raise InvalidInput(
                f"the {' and '.join(fixed)} of a report cannot be changed",
                hint="status, times and errors are those of its task: Task.update",
            )
        changes = {name: value for name, value in kwargs.items() if value is not None or name == "output"}
        self._refresh(self._changed(changes))
        return self

    def delete(self) -> bool:
        """Remove this report and its blocks: here now, on the remote at the next push. True.

        Raises: RecordNotFound (a ValueError) when the local file does not have it.
        """
        return self.delete_by_id(self.id, self._own_client)

    @classmethod
    def delete_by_id(cls, report_id: str, client: Session) -> bool:
        """Remove a report and its blocks, as :meth:`delete` does."""
        if not cls.delete_multiple([report_id], client)[report_id]:
            raise cls._absent("id", report_id)
        return True

    @classmethod
    def delete_multiple(cls, report_ids: list[str], client: Session) -> dict[str, bool]:
        """Remove several reports and their blocks in one transaction; by id, whether the local file had it.

        The blocks known here are deleted first, then the report: the remote deletes nothing along with it. What was never
        sent is only forgotten here.
        """
        with client.records.transaction() as unit:
            return {report_id: _deleted(unit, report_id) for report_id in dict.fromkeys(report_ids)}


def _deleted(unit: UnitOfWork, report_id: str) -> bool:
    if unit.get("Report", report_id) is None:
        return False
    unit.delete("Report", report_id)  # its description says that its blocks go with it
    return True
