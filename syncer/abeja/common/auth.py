"""``abeja.common.auth``: the original's path to these functions."""

from __future__ import annotations

from syncer.adapters.abeja.credentials import get_credential as get_credential
from syncer.adapters.abeja.credentials import (
    get_datasource_basic_auth_from_environment as get_datasource_basic_auth_from_environment,
)
from syncer.adapters.abeja.credentials import get_token_from_environment as get_token_from_environment
from syncer.adapters.abeja.credentials import get_user_basic_auth_from_environment as get_user_basic_auth_from_environment
