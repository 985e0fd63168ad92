"""Notes of a REST service as a remote of ``syncer``. The network is loaded only when the remote is used."""

from __future__ import annotations

from collections.abc import Mapping

from notes_remote.spec import MODELS
from syncer.config import Setting
from syncer.remote import Adapter, Remote

SETTINGS = (Setting("api_url", "NOTES_API_URL"), Setting("token", "NOTES_TOKEN", secret=True))


def _make(settings: Mapping[str, str]) -> Remote:
    from notes_remote.adapter import Notes

    return Notes(settings)


ADAPTER = Adapter(MODELS, SETTINGS, _make)
