"""Ends to what a server may do to its client: an answer that drips, or that never stops, holds nobody and fills nothing.

The time-outs of sockets begin anew with every byte. So a whole answer has a time of its own, a few times that of one
read: slow lines get through, and a sync has moved on before its lease ends.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from functools import cache
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

WHOLE_IN_READS = 3.0
"""How many time-outs of a read the whole of an answer may take."""

LONGEST_ANSWER = 128 * 2**20
"""Bytes, unpacked. The largest page or group of records that a remote can have is a tenth of it."""


class _Timed(io.RawIOBase):
    """A socket's bytes, until the time for all of them is over: ``reads`` time-outs of one."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, reads: float) -> None:
        self._raw = raw
        self._sock = sock
        self._read_s = sock.gettimeout()
        self._end = None if self._read_s is None else time.monotonic() + reads * self._read_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._end is not None and self._read_s is not None:
            left_s = self._end - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(min(self._read_s, left_s))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    in_reads = WHOLE_IN_READS

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, self.in_reads))


@cache
def _pools(reads: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Pools of connections whose answers have so much time, by scheme."""

    class Timed(_TimedResponse):
        in_reads = reads

    class Plain(HTTPConnection):
        response_class = Timed

    class Encrypted(HTTPSConnection):
        response_class = Timed

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class BoundedAdapter(HTTPAdapter):
    """One kept-alive connection at a time, nothing tried twice, no answer waited for longer than ``reads`` time-outs."""

    def __init__(self, reads: float = WHOLE_IN_READS) -> None:
        self._pools = _pools(reads)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does, with connections of our own."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As requests does, with connections of our own."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
