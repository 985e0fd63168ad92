"""``abeja.common.connection``: the original's path to these constants."""

from __future__ import annotations

from syncer.adapters.abeja.credentials import DEFAULT_CONNECTION_TIMEOUT as DEFAULT_CONNECTION_TIMEOUT
from syncer.adapters.abeja.credentials import DEFAULT_MAX_RETRY_COUNT as DEFAULT_MAX_RETRY_COUNT
from syncer.adapters.abeja.credentials import SDK_CONNECTION_TIMEOUT_ENV_KEY as SDK_CONNECTION_TIMEOUT_ENV_KEY
from syncer.adapters.abeja.credentials import SDK_MAX_RETRY_COUNT_ENV_KEY as SDK_MAX_RETRY_COUNT_ENV_KEY
