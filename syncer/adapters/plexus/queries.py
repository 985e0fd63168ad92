"""Questions to AppSync over one connection, and what is learned of the deployment from the way it refuses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer.adapters.plexus import responses
from syncer.adapters.plexus.deployed import DeployedModels
from syncer.errors import Unreachable
from syncer.http import responses as http_responses
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.graphql import Envelope, GraphError, envelope
from syncer.http.responses import StatusClass
from syncer.http.session import Answer, Session
from syncer.schema.values import dumps


def request(document: str, variables: Mapping[str, Any]) -> bytes:
    """The body of a POST."""
    return dumps({"query": document, "variables": variables}).encode()


class Questions:
    """What may be asked any number of times."""

    def __init__(self, session: Session, deployed: DeployedModels) -> None:
        self._session = session
        self._deployed = deployed
        self._server_time: str | None = None

    def query(self, document: str, variables: Mapping[str, Any]) -> tuple[Answer, Envelope]:
        """An answer; one that tells of another schema teaches what this deployment has. Raises: RemoteError."""
        answer, read = self._asked(document, variables)
        if read.data is None and read.whole is not None:
            self.learns(read.whole)
        return answer, read

    def learns(self, error: GraphError) -> bool:
        """Whether more is known of the deployment than before this refusal. Raises: Unreachable."""
        return responses.undescribed(error) and self._deployed.learns(self._envelope, error.message)

    def probe(self, models: Sequence[str]) -> str | None:
        """Compare models with the deployed schema; the server's time, stored form. Raises: RemoteError."""
        self._deployed.probe(self._envelope, models)
        return self._server_time

    def _envelope(self, document: str, variables: Mapping[str, Any]) -> Envelope:
        answer, read = self._asked(document, variables)
        self._server_time = http_responses.server_time(answer.headers)
        return read

    def _asked(self, document: str, variables: Mapping[str, Any]) -> tuple[Answer, Envelope]:
        try:
            answer = self._session.post(request(document, variables))
        except (NotSent, ReplyLost) as exc:
            lost = Unreachable("Plexus cannot be reached", why=str(exc), hint="check PLEXUS_API_URL and the network")
            raise lost.having(connected=isinstance(exc, ReplyLost)) from exc
        judged = http_responses.status_class(answer.status)
        if judged is StatusClass.ACCESS:
            raise responses.no_access(answer.status)
        read = envelope(answer.body) if judged is StatusClass.ANSWERED else None
        if read is None:
            strange = Unreachable(responses.unusable_answer(answer), hint="check PLEXUS_API_URL, then try again")
            again = judged in (StatusClass.UNKNOWN, StatusClass.THROTTLED) or (
                judged is StatusClass.ANSWERED and not answer.is_html
            )
            raise strange.having(connected=again, retry_after_s=http_responses.retry_after_s(answer.headers))
        return answer, read
