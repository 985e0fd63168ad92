"""Three questions to the local file, in the SQL a person would type."""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """What somebody wants to know, and how to ask for it."""

    words: str
    sql: str


QUESTIONS = (
    Question(
        "How do the calls do, score by score?",
        """\
SELECT s.name AS score, count(*) AS results,
       round(100.0 * sum(r.value = 'Yes') / count(*)) AS "yes %",
       round(avg(r.confidence), 2) AS confidence
FROM plexus_score_result r JOIN plexus_score s ON s.id = r.score_id
GROUP BY s.id ORDER BY "yes %";""",
    ),
    Question(
        "Is the phone better than chat and e-mail?  (metadata is JSON)",
        """\
SELECT json_extract(r.metadata, '$.channel') AS channel, count(*) AS results,
       round(100.0 * sum(r.value = 'Yes') / count(*)) AS "yes %"
FROM plexus_score_result r GROUP BY channel ORDER BY results DESC;""",
    ),
    Question(
        "Where did a person disagree with the machine?",
        """\
SELECT i.external_id AS call, s.name AS score, f.initial_answer_value AS machine,
       f.final_answer_value AS person, f.initial_comment_value AS "machine said"
FROM plexus_feedback_item f JOIN plexus_item i ON i.id = f.item_id JOIN plexus_score s ON s.id = f.score_id
WHERE NOT f.is_agreement ORDER BY i.external_id LIMIT 5;""",
    ),
)
