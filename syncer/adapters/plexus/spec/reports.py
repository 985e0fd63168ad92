"""Report configurations, reports and their blocks."""

from __future__ import annotations

from syncer.schema.fields import identity, integer, json_value, ref, stamp, text, texts
from syncer.schema.model import Index, Model
from syncer.schema.pull import Incremental, PerParent

REPORT_CONFIGURATION = Model(
    "ReportConfiguration",
    fields=(
        identity(),
        text("name", required=True),
        text("description"),
        ref("accountId", "Account", "reportConfigurations", required=True),
        text("configuration", required=True),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("accountId", ("name",)),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
)


REPORT = Model(
    "Report",
    fields=(
        identity(),
        text("name"),
        stamp("createdAt"),
        json_value("parameters"),
        text("output"),
        json_value("metadata"),
        ref("accountId", "Account", "reports", required=True),
        ref("reportConfigurationId", "ReportConfiguration", "reports"),
        stamp("updatedAt"),
        ref("taskId", "Task"),
        ref("createdByUserId", "User", "reports"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("reportConfigurationId", ("createdAt",)),
        Index("taskId"),
        Index("createdByUserId"),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
    cascades=(("ReportBlock", "reportId"),),
)


REPORT_BLOCK = Model(
    "ReportBlock",
    fields=(
        identity(),
        ref("reportId", "Report", "reportBlocks", required=True),
        text("name"),
        integer("position", required=True),
        text("type", required=True),
        text("output"),
        text("log"),
        text("warning"),
        text("error"),
        texts("attachedFiles"),
        ref("dataSetId", "DataSet", "reportBlocks"),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("reportId", ("name",), name="byReportAndName"),
        Index("reportId", ("position",), name="byReportAndPosition"),
        Index("dataSetId", ("position",), name="byDataSetAndPosition"),
    ),
    pull=PerParent("Report", ("reportId", "position"), live=("taskId", ())),
)

MODELS = (REPORT_CONFIGURATION, REPORT, REPORT_BLOCK)
