"""What an account holds besides scores: tasks, reports, data sets, procedures, chats, metrics, links."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from syncer.demo.session import Record, Session

HOURS = 24
_STAGES = ("Set up", "Score", "Report")


class Office:
    """The rest of the account of a session, written the same way."""

    def __init__(self, session: Session, today: datetime) -> None:
        self._session = session
        self._today = today
        self._of_account = {"accountId": session.account["id"]}
        self._of_card = {**self._of_account, "scorecardId": session.scorecard["id"]}
        self._score = session.scores[0]
        self._version = session.versions[0]

    def fill(self) -> None:
        """Everything, parents first."""
        task = self.task()
        data_set = self.data()
        self.report(task, data_set)
        self.jobs()
        self.chat()
        self.metrics()
        self._add(
            "ShareLink", {**self._of_account, "token": "tour", "resourceType": "Evaluation", "createdBy": "grace"},
            resourceId=self._session.evaluation["id"], isRevoked=False, expiresAt=self._at(30 * 24),
        )  # fmt: skip

    def task(self) -> Record:
        """A task that is done, with its stages."""
        task = self._add(
            "Task", {**self._of_card, "type": "evaluation", "status": "COMPLETED", "target": "call-quality"},
            command="evaluate accuracy --scorecard call-quality", startedAt=self._at(0), completedAt=self._at(1),
        )  # fmt: skip
        for order, name in enumerate(_STAGES, 1):
            stage = self._add("TaskStage", {"taskId": task["id"], "name": name, "order": order}, status="COMPLETED")
        self._session.plexus.update("Task", task["id"], {"currentStageId": stage["id"]})
        return task

    def data(self) -> Record:
        """A data source with a version, and a data set made from it."""
        yaml = "class: FeedbackItems\ndays: 14\n"
        source = self._add("DataSource", {**self._of_card, "name": "Disputed calls", "key": "disputed-calls"})
        version = self._add(
            "DataSourceVersion", {"dataSourceId": source["id"], "yamlConfiguration": yaml, "isFeatured": True}
        )
        self._session.plexus.update("DataSource", source["id"], {"currentVersionId": version["id"]})
        return self._add(
            "DataSet", {**self._of_card, "dataSourceVersionId": version["id"], "name": "Disputed calls, March"},
            scoreId=self._score["id"], scoreVersionId=self._version["id"], provenance={"rows": len(self._session.items)},
        )  # fmt: skip

    def report(self, task: Record, data_set: Record) -> None:
        """A report configuration, a report from it, and its blocks."""
        form = self._add(
            "ReportConfiguration", {**self._of_account, "name": "Weekly agreement"},
            configuration="# Agreement\n```block\nclass: FeedbackAnalysis\n```\n",
        )  # fmt: skip
        report = self._add(
            "Report", {**self._of_account, "reportConfigurationId": form["id"], "taskId": task["id"]},
            name="Agreement, week 10", parameters={"days": 7},
        )  # fmt: skip
        for position, kind in enumerate(("FeedbackAnalysis", "TopicAnalysis"), 1):
            self._add(
                "ReportBlock", {"reportId": report["id"], "position": position, "type": kind},
                name=kind, output=f"agreement: 0.{90 - position}\n", dataSetId=data_set["id"],
            )  # fmt: skip

    def jobs(self) -> None:
        """Scoring jobs of the first calls, and the first of them as examples of the scorecard."""
        for item in self._session.items[:6]:
            self._add("ScoringJob", {**self._of_card, "itemId": item["id"], "status": "COMPLETED"}, startedAt=self._at(0))
        for item in self._session.items[:3]:
            self._add(
                "ScorecardExampleItem", {"scorecardId": self._of_card["scorecardId"], "itemId": item["id"]},
                addedAt=self._at(1), addedBy="grace", notes="A clear case.",
            )  # fmt: skip

    def chat(self) -> None:
        """A procedure, and a chat about it."""
        procedure = self._add(
            "Procedure", {**self._of_card, "name": "Sharpen “Next step”", "status": "COMPLETED", "category": "optimise"},
            version="1", code="name: sharpen\n", scoreId=self._session.scores[-1]["id"],
        )  # fmt: skip
        session = self._add(
            "ChatSession", {**self._of_card, "procedureId": procedure["id"], "status": "COMPLETED"}, name="Next step"
        )
        said = (
            ("USER", "Why do so many calls fail “Next step”?"),
            ("ASSISTANT", "In most of them a promise is made, but no day is named."),
            ("USER", "Then ask for a day."),
        )
        for number, (role, text) in enumerate(said, 1):
            self._add(
                "ChatMessage", {**self._of_account, "sessionId": session["id"], "procedureId": procedure["id"]},
                role=role, content=text, sequenceNumber=number, messageType="MESSAGE", responseTarget="none",
                humanInteraction="CHAT" if role == "USER" else "CHAT_ASSISTANT",
            )  # fmt: skip

    def metrics(self) -> None:
        """A day of score results, hour by hour."""
        for hour in range(HOURS):
            start = self._at(hour - HOURS)
            hourly = {"recordType": "scoreResults", "compositeKey": f"scoreResults#{start}#60", "numberOfMinutes": 60}
            span = {"timeRangeStart": start, "timeRangeEnd": self._at(hour - HOURS + 1)}
            self._add("AggregatedMetrics", {**self._of_card, **hourly, **span}, count=hour % 9, complete=True)

    def _add(self, model: str, fields: Record, **more: Any) -> Record:
        return self._session.plexus.create(model, {**fields, **more})

    def _at(self, hours: float) -> str:
        return (self._today + timedelta(hours=hours)).isoformat()
