"""Items to be scored, and the identifiers people know them by."""

from __future__ import annotations

from syncer.schema.fields import boolean, identity, integer, json_value, ref, stamp, text, texts
from syncer.schema.model import Index, Model, NextFree
from syncer.schema.pull import Incremental, NaturalKey, PerParent

ITEM = Model(
    "Item",
    fields=(
        identity(),
        text("externalId"),
        text("description"),
        ref("accountId", "Account", "items", required=True),
        ref("evaluationId", "Evaluation", "items"),
        ref("scoreId", "Score", "items"),
        stamp("updatedAt", required=False),
        stamp("createdAt", required=False),
        boolean("isEvaluation", required=True, fill_in=True),
        text("createdByType"),
        json_value("identifiers"),
        texts("attachedFiles"),
        text("text"),
        json_value("metadata"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("accountId", ("createdAt",)),
        Index("scoreId", ("updatedAt",)),
        Index("scoreId", ("createdAt",)),
        Index("accountId", ("externalId",), name="byAccountAndExternalId"),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
    natural_keys=(
        NaturalKey(("accountId", "name", "value"), child="Identifier", pointer="itemId", order="position"),
        NaturalKey(("accountId", "externalId")),
    ),
)


IDENTIFIER = Model(
    "Identifier",
    fields=(
        ref("itemId", "Item", "itemIdentifiers", required=True),
        text("name", required=True),
        text("value", required=True),
        text("url"),
        integer("position", required=True, fill_in=NextFree("itemId")),
        ref("accountId", "Account", "identifiers", required=True),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("accountId", ("value",), name="byAccountAndValue"),
        Index("accountId", ("name", "value"), name="byAccountNameAndValue"),
        Index("itemId", ("position",), name="byItemAndPosition"),
        Index("itemId", ("name",), name="byItemAndName"),
    ),
    key=("itemId", "name"),
    pull=PerParent("Account", ("accountId", "value"), changed=True),
    natural_keys=(NaturalKey(("itemId", "name")),),
)

MODELS = (ITEM, IDENTIFIER)
