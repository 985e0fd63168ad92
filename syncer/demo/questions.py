"""Four questions to the local file, in the SQL a person would type."""

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
    Question(
        "Which span (Prefactor) and which run (ABEJA) made the results of the first call?  (three platforms, one query)",
        """\
SELECT i.external_id AS call, s.name AS score, r.value, json_extract(p.payload, '$.criterion') AS span, p.status,
       json_extract(a.user_env_vars, '$.SHARD') AS shard, a.status AS run
FROM plexus_score_result r JOIN plexus_item i ON i.id = r.item_id JOIN plexus_score s ON s.id = r.score_id
JOIN prefactor_agent_span p ON p.id = json_extract(r.metadata, '$.span_id')
LEFT JOIN _id_map m ON m.remote = 'abeja' AND m.local_id = json_extract(r.metadata, '$.run_id')
JOIN abeja_run a ON a.run_id = coalesce(m.remote_id, json_extract(r.metadata, '$.run_id'))
WHERE i.external_id = (SELECT min(external_id) FROM plexus_item) ORDER BY s.name;""",
    ),
)
