"""Accounts, their users, and links that share a resource."""

from __future__ import annotations

from syncer.schema.fields import boolean, identity, integer, json_value, server_time, stamp, text, time
from syncer.schema.model import Index, Model
from syncer.schema.pull import BySetting, PerParent, Selector

ACCOUNT = Model(
    "Account",
    fields=(
        identity(),
        text("name", required=True),
        text("key", required=True),
        text("description"),
        json_value("settings"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(Index("key"),),
    pull=BySetting("key", setting="account_key", needs="PLEXUS_ACCOUNT_KEY"),
    selector=Selector("accounts", ("key",)),
)


USER = Model(
    "User",
    fields=(
        identity(),
        text("email", required=True),
        text("displayName"),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    closed=True,
    pull=None,
)


SHARE_LINK = Model(
    "ShareLink",
    fields=(
        identity(),
        text("token", required=True),
        text("resourceType", required=True),
        text("resourceId", required=True),
        text("createdBy", required=True),
        text("accountId", required=True),
        time("expiresAt"),
        json_value("viewOptions"),
        time("lastAccessedAt"),
        integer("accessCount"),
        boolean("isRevoked"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(
        Index("token"),
        Index("accountId"),
        Index("resourceId"),
    ),
    pull=PerParent("Account", ("accountId",), changed=True),
)

MODELS = (ACCOUNT, USER, SHARE_LINK)
