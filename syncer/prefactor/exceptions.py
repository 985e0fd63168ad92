"""``prefactor_http.exceptions``: the original's path to these classes."""

from __future__ import annotations

from syncer.prefactor.errors import PrefactorApiError as PrefactorApiError
from syncer.prefactor.errors import PrefactorAuthError as PrefactorAuthError
from syncer.prefactor.errors import PrefactorClientError as PrefactorClientError
from syncer.prefactor.errors import PrefactorHttpError as PrefactorHttpError
from syncer.prefactor.errors import PrefactorNotFoundError as PrefactorNotFoundError
from syncer.prefactor.errors import PrefactorResponseContractError as PrefactorResponseContractError
from syncer.prefactor.errors import PrefactorRetryExhaustedError as PrefactorRetryExhaustedError
from syncer.prefactor.errors import PrefactorValidationError as PrefactorValidationError
