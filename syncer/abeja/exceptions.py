"""The exceptions of ``abeja.exceptions``, under the names of that package."""

from __future__ import annotations

from syncer.adapters.abeja.exceptions import BadRequest as BadRequest
from syncer.adapters.abeja.exceptions import Conflict as Conflict
from syncer.adapters.abeja.exceptions import Error as Error
from syncer.adapters.abeja.exceptions import EtagHashNotMatch as EtagHashNotMatch
from syncer.adapters.abeja.exceptions import Forbidden as Forbidden
from syncer.adapters.abeja.exceptions import HttpError as HttpError
from syncer.adapters.abeja.exceptions import InternalServerError as InternalServerError
from syncer.adapters.abeja.exceptions import InvalidDataFormat as InvalidDataFormat
from syncer.adapters.abeja.exceptions import InvalidPathException as InvalidPathException
from syncer.adapters.abeja.exceptions import MethodNotAllowed as MethodNotAllowed
from syncer.adapters.abeja.exceptions import NotFound as NotFound
from syncer.adapters.abeja.exceptions import ResourceNotFound as ResourceNotFound
from syncer.adapters.abeja.exceptions import TransportError as TransportError
from syncer.adapters.abeja.exceptions import Unauthorized as Unauthorized
from syncer.adapters.abeja.exceptions import UnsupportedURI as UnsupportedURI
from syncer.adapters.abeja.exceptions import decoded as decoded
from syncer.adapters.abeja.exceptions import from_response as from_response
