"""Data sources, their versions, and data sets."""

from __future__ import annotations

from syncer.schema.fields import boolean, identity, json_value, ref, stamp, text, texts, time
from syncer.schema.model import Index, Model
from syncer.schema.pull import Incremental, PerParent

DATA_SOURCE = Model(
    "DataSource",
    fields=(
        identity(),
        text("name", required=True),
        text("key"),
        text("description"),
        text("yamlConfiguration"),
        texts("attachedFiles"),
        ref("accountId", "Account", "dataSources", required=True),
        ref("scorecardId", "Scorecard", "dataSources"),
        ref("scoreId", "Score", "dataSources"),
        ref("currentVersionId", "DataSourceVersion", "dataSourcesAsCurrentVersion", back=True),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("accountId", ("name",)),
        Index("accountId", ("key",)),
        Index("scorecardId", ("updatedAt",)),
        Index("scoreId", ("updatedAt",)),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
)


DATA_SOURCE_VERSION = Model(
    "DataSourceVersion",
    fields=(
        identity(),
        ref("dataSourceId", "DataSource", "versions", required=True),
        text("yamlConfiguration", required=True),
        boolean("isFeatured", required=True),
        text("note"),
        stamp("createdAt"),
        stamp("updatedAt"),
        ref("parentVersionId", "DataSourceVersion", "childVersions"),
    ),
    indexes=(Index("dataSourceId", ("createdAt",)),),
    pull=PerParent("DataSource", ("dataSourceId", "createdAt")),
)


DATA_SET = Model(
    "DataSet",
    fields=(
        identity(),
        text("name"),
        text("description"),
        text("file"),
        texts("attachedFiles"),
        boolean("isReferenceDataset"),
        json_value("provenance"),
        json_value("buildContext"),
        time("referenceAt"),
        ref("accountId", "Account", "dataSets", required=True),
        ref("scorecardId", "Scorecard", "dataSets"),
        ref("scoreId", "Score", "dataSets"),
        ref("scoreVersionId", "ScoreVersion", "dataSets"),
        ref("dataSourceVersionId", "DataSourceVersion", "dataSets", required=True),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("accountId", ("createdAt",)),
        Index("scorecardId", ("updatedAt",)),
        Index("scorecardId", ("createdAt",)),
        Index("scoreId", ("updatedAt",)),
        Index("scoreId", ("createdAt",)),
        Index("scoreVersionId", ("updatedAt",)),
        Index("scoreVersionId", ("createdAt",)),
        Index("dataSourceVersionId", ("updatedAt",)),
        Index("dataSourceVersionId", ("createdAt",)),
    ),
    pull=Incremental("DataSourceVersion", ("dataSourceVersionId", "updatedAt"), cursor="updatedAt"),
)

MODELS = (DATA_SOURCE, DATA_SOURCE_VERSION, DATA_SET)
