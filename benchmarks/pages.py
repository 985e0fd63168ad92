"""Pages as the remote would answer them, made once into a file, and a connection that answers from it without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from benchmarks import record
from syncer.adapters.plexus.adapter import Plexus, PlexusConnection
from syncer.http.session import Answer


class Pages:
    """Bodies of the answers to a whole pull, on disk, so that they weigh on nobody's memory."""

    def __init__(self, path: Path, places: list[tuple[int, int]]) -> None:
        self._path = path
        self._places = places

    @classmethod
    def made(cls, path: Path, count: int, size: int) -> Pages:
        """``count`` records in pages of ``size``."""
        records = record.wire_records(count)
        places: list[tuple[int, int]] = []
        with path.open("wb") as file:
            for start in range(0, count, size):
                token = str(start + size) if start + size < count else None
                items = list(islice(records, size))
                body = json.dumps({"data": {"page": {"items": items, "nextToken": token}}}, ensure_ascii=False).encode()
                places.append((file.tell(), len(body)))
                file.write(body)
        path.with_suffix(".places").write_text(json.dumps(places))
        return cls(path, places)

    @classmethod
    def opened(cls, path: Path) -> Pages:
        """Those that :meth:`made` left at ``path``."""
        return cls(path, [tuple(place) for place in json.loads(path.with_suffix(".places").read_text())])

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            for start, length in self._places:
                file.seek(start)
                yield file.read(length)


class _Canned:
    """In the place of a :class:`syncer.http.session.Session`: the next page, whatever is asked."""

    def __init__(self, pages: Pages) -> None:
        self._bodies = iter(pages)

    def post(self, body: bytes) -> Answer:
        """The next page."""
        return Answer(200, next(self._bodies), {}, 0.0)

    def close(self) -> None:
        """Nothing to let go of."""


class CannedPlexus(Plexus):
    """Plexus as it is, from the answer's bytes on; only the network is missing, as it is in the raw baseline."""

    def __init__(self, settings: Mapping[str, str], pages: Pages) -> None:
        super().__init__(settings)
        self._pages = pages

    def missing_settings(self) -> list[str]:
        """Nothing: no network is used."""
        return []

    def connect(self) -> PlexusConnection:
        """A connection that answers from the file."""
        return PlexusConnection(_Canned(self._pages), self._deployed)  # type: ignore[arg-type]
