"""The first schema: bookkeeping, and a table for every Plexus model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TYPES = {"integer": sa.Integer, "float": sa.Float, "boolean": sa.Boolean}


def _mirror(table: str, columns: str, *, indexes: list[str], key: tuple[str, ...] = ("id",)) -> None:
    """A mirror table: ``columns`` are ``name`` (text) or ``name:type``; ``name?`` in an index may be NULL there."""
    parts = []
    for word in columns.split():
        name, _, kind = word.partition(":")
        parts.append(sa.Column(name, _TYPES.get(kind, sa.Text)(), nullable=name not in key))
    op.create_table(table, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"))
    for index in indexes:
        names = [word.rstrip("?") for word in index.split()]
        sparse = " AND ".join(f"{word[:-1]} IS NOT NULL" for word in index.split() if word.endswith("?"))
        where = sa.text(sparse) if sparse else None
        op.create_index(f"ix_{table}_{'_'.join(names)}", table, names, sqlite_where=where)


def upgrade() -> None:
    _bookkeeping()
    _plexus()


def downgrade() -> None:
    raise RuntimeError("there is nothing before the first schema: delete the file, or restore a backup")


def _bookkeeping() -> None:
    op.create_table(
        "base",
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("remote", "model", "key", name=op.f("pk_base")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conflict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("base", sa.Text(), nullable=True),
        sa.Column("ours", sa.Text(), nullable=True),
        sa.Column("theirs", sa.Text(), nullable=True),
        sa.Column("detected_at", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict")),
    )
    op.create_index("ix_conflict_record", "conflict", ["model", "key"], unique=False)
    op.create_table(
        "id_map",
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("local_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("mapped_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("remote", "model", "local_id", name=op.f("pk_id_map")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=True),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("by_seq", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("left_at", sa.Text(), nullable=False),
        sa.Column("idem_key", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger")),
    )
    op.create_table(
        "mark",
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=True),
        sa.Column("position", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("highest", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("complete_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("remote", "model", "scope", name=op.f("pk_mark")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("idem_key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=True),
        sa.Column("attempted_at", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_record", "outbox", ["model", "key"], unique=False)
    op.create_table(
        "remote_state",
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Text(), nullable=True),
        sa.Column("hold_until", sa.Text(), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("remote", name=op.f("pk_remote_state")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sync_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_run")),
    )
    _views()


def _plexus() -> None:
    _mirror(
        "plexus_account",
        "id name key description settings created_at updated_at extra",
        indexes=["key"],
    )
    _mirror(
        "plexus_user",
        "id email display_name created_at updated_at extra",
        indexes=[],
    )
    _mirror(
        "plexus_share_link",
        (
            "id token resource_type resource_id created_by account_id expires_at view_options last_accessed_at "
            "access_count:integer is_revoked:boolean created_at updated_at extra"
        ),
        indexes=["token", "account_id", "resource_id"],
    )
    _mirror(
        "plexus_scorecard",
        "id name key description guidelines account_id external_id created_at updated_at extra",
        indexes=["account_id", "key", "external_id?", "name", "account_id external_id?"],
    )
    _mirror(
        "plexus_report_configuration",
        "id name description account_id configuration created_at updated_at extra",
        indexes=["account_id updated_at", "account_id name"],
    )
    _mirror(
        "plexus_scorecard_section",
        "id name order:integer scorecard_id created_at updated_at extra",
        indexes=["scorecard_id"],
    )
    _mirror(
        "plexus_score",
        (
            "id name key description order:integer type target_agreement:float accuracy:float version ai_provider "
            "ai_model section_id scorecard_id champion_version_id external_id is_disabled:boolean created_at "
            "updated_at extra"
        ),
        indexes=["section_id", "external_id", "key?", "name", "scorecard_id external_id", "champion_version_id?"],
    )
    _mirror(
        "plexus_score_version",
        (
            "id score_id configuration guidelines is_featured created_at updated_at note branch metadata "
            "created_by_user_id parent_version_id extra"
        ),
        indexes=["score_id created_at", "score_id is_featured created_at", "created_by_user_id?", "parent_version_id?"],
    )
    _mirror(
        "plexus_aggregated_metrics",
        (
            "account_id composite_key scorecard_id score_id record_type time_range_start time_range_end "
            "number_of_minutes:integer count:integer cost:integer decision_count:integer "
            "external_ai_api_count:integer cached_ai_api_count:integer error_count:integer metadata "
            "complete:boolean created_at updated_at extra"
        ),
        indexes=[
            "account_id time_range_start record_type",
            "scorecard_id? time_range_start record_type",
            "score_id? time_range_start record_type",
            "account_id record_type time_range_start",
        ],
        key=("account_id", "composite_key"),
    )
    _mirror(
        "plexus_task",
        (
            "id account_id type status target command description dispatch_status metadata created_at started_at "
            "completed_at estimated_completion_at error_message error_details stdout stderr output error "
            "attached_files current_stage_id scorecard_id score_id celery_task_id worker_node_id updated_at extra"
        ),
        indexes=["account_id updated_at", "scorecard_id? updated_at", "score_id?", "current_stage_id?"],
    )
    _mirror(
        "plexus_data_source",
        (
            "id name key description yaml_configuration attached_files account_id scorecard_id score_id "
            "current_version_id created_at updated_at extra"
        ),
        indexes=[
            "account_id updated_at",
            "account_id name",
            "account_id key?",
            "scorecard_id? updated_at",
            "score_id? updated_at",
            "current_version_id?",
        ],
    )
    _mirror(
        "plexus_batch_job",
        (
            "id account_id status type batch_id model_provider model_name scoring_job_count_cache:integer "
            "started_at estimated_end_at completed_at total_requests:integer completed_requests:integer "
            "failed_requests:integer error_message error_details scorecard_id score_id created_at updated_at "
            "extra"
        ),
        indexes=[],
    )
    _mirror(
        "plexus_evaluation",
        (
            "id type parameters metrics metrics_explanation metadata inferences:integer accuracy:float cost:float "
            "cost_details created_at updated_at status started_at elapsed_seconds:integer "
            "estimated_remaining_seconds:integer total_items:integer processed_items:integer error_message "
            "error_details account_id scorecard_id score_id score_version_id confusion_matrix score_goal "
            "dataset_class_distribution is_dataset_class_distribution_balanced:boolean "
            "predicted_class_distribution is_predicted_class_distribution_balanced:boolean task_id universal_code "
            "created_by_user_id extra"
        ),
        indexes=[
            "account_id updated_at",
            "scorecard_id? updated_at",
            "score_id? updated_at",
            "score_version_id? created_at",
            "created_by_user_id?",
            "task_id?",
        ],
    )
    _mirror(
        "plexus_task_stage",
        (
            "id task_id name order:integer status status_message started_at completed_at estimated_completion_at "
            "processed_items:integer total_items:integer created_at updated_at extra"
        ),
        indexes=["task_id"],
    )
    _mirror(
        "plexus_report",
        (
            "id name created_at parameters output metadata account_id report_configuration_id updated_at task_id "
            "created_by_user_id extra"
        ),
        indexes=["account_id updated_at", "report_configuration_id? created_at", "task_id?", "created_by_user_id?"],
    )
    _mirror(
        "plexus_data_source_version",
        ("id data_source_id yaml_configuration is_featured:boolean note created_at updated_at parent_version_id extra"),
        indexes=["data_source_id created_at", "parent_version_id?"],
    )
    _mirror(
        "plexus_procedure",
        (
            "id name description featured:boolean is_template:boolean parent_procedure_id code attached_files "
            "category version is_default:boolean status waiting_on_message_id metadata created_at updated_at "
            "account_id scorecard_id score_id score_version_id created_by_user_id extra"
        ),
        indexes=[
            "account_id updated_at",
            "account_id created_at",
            "scorecard_id? updated_at",
            "score_id? updated_at",
            "score_version_id? updated_at",
            "parent_procedure_id? updated_at",
            "category? version?",
            "status? updated_at",
            "created_by_user_id?",
        ],
    )
    _mirror(
        "plexus_item",
        (
            "id external_id description account_id evaluation_id score_id updated_at created_at "
            "is_evaluation:boolean created_by_type identifiers attached_files text metadata extra"
        ),
        indexes=[
            "account_id updated_at",
            "account_id created_at",
            "score_id? updated_at",
            "score_id? created_at",
            "account_id external_id?",
            "evaluation_id?",
        ],
    )
    _mirror(
        "plexus_data_set",
        (
            "id name description file attached_files is_reference_dataset:boolean provenance build_context "
            "reference_at account_id scorecard_id score_id score_version_id data_source_version_id created_at "
            "updated_at extra"
        ),
        indexes=[
            "account_id created_at",
            "scorecard_id? updated_at",
            "scorecard_id? created_at",
            "score_id? updated_at",
            "score_id? created_at",
            "score_version_id? updated_at",
            "score_version_id? created_at",
            "data_source_version_id updated_at",
            "data_source_version_id created_at",
        ],
    )
    _mirror(
        "plexus_chat_session",
        ("id account_id scorecard_id score_id procedure_id name category status metadata created_at updated_at extra"),
        indexes=["account_id updated_at", "procedure_id? created_at", "scorecard_id?", "score_id?"],
    )
    _mirror(
        "plexus_scorecard_example_item",
        "id scorecard_id item_id added_at added_by notes created_at updated_at extra",
        indexes=["scorecard_id", "item_id", "scorecard_id added_at?"],
    )
    _mirror(
        "plexus_identifier",
        "item_id name value url position:integer account_id created_at updated_at extra",
        indexes=["account_id value", "account_id name value", "item_id position"],
        key=("item_id", "name"),
    )
    _mirror(
        "plexus_scoring_job",
        (
            "id status started_at completed_at error_message error_details metadata item_id account_id "
            "scorecard_id evaluation_id score_id updated_at created_at extra"
        ),
        indexes=[
            "account_id created_at",
            "item_id",
            "item_id score_id?",
            "score_id?",
            "scorecard_id",
            "evaluation_id?",
        ],
    )
    _mirror(
        "plexus_feedback_item",
        (
            "id account_id scorecard_id cache_key score_id item_id initial_answer_value final_answer_value "
            "initial_comment_value final_comment_value edit_comment_value edited_at editor_name "
            "is_agreement:boolean is_invalid:boolean metadata created_at updated_at extra"
        ),
        indexes=[
            "account_id updated_at",
            "account_id edited_at",
            "account_id scorecard_id score_id updated_at",
            "account_id scorecard_id score_id edited_at",
            "cache_key",
            "item_id",
            "scorecard_id",
            "score_id",
        ],
    )
    _mirror(
        "plexus_report_block",
        (
            "id report_id name position:integer type output log warning error attached_files data_set_id "
            "created_at updated_at extra"
        ),
        indexes=["report_id name?", "report_id position", "data_set_id? position"],
    )
    _mirror(
        "plexus_chat_message",
        (
            "id account_id created_by_user_id session_id procedure_id role human_interaction content metadata "
            "message_type tool_name tool_parameters tool_response parent_message_id sequence_number:integer "
            "response_target response_status response_owner response_started_at response_completed_at "
            "response_error created_at updated_at extra"
        ),
        indexes=[
            "session_id sequence_number?",
            "session_id created_at",
            "procedure_id? created_at",
            "parent_message_id?",
            "human_interaction? created_at",
            "account_id? created_at",
            "response_target? response_status created_at",
        ],
    )
    _mirror(
        "plexus_score_result",
        (
            "id value explanation confidence:float metadata trace correct:boolean cost attachments type status "
            "item_id account_id scoring_job_id evaluation_id scorecard_id score_version_id score_id code "
            "updated_at created_at feedback_item_id extra"
        ),
        indexes=[
            "account_id updated_at",
            "scoring_job_id?",
            "scorecard_id updated_at",
            "scorecard_id item_id created_at",
            "evaluation_id?",
            "score_version_id?",
            "score_id",
            "scorecard_id score_id item_id",
            "item_id scorecard_id score_id",
            "type status updated_at",
            "item_id type score_id updated_at",
            "feedback_item_id?",
        ],
    )
    _mirror(
        "plexus_batch_job_scoring_job",
        "id batch_job_id scoring_job_id created_at extra",
        indexes=["batch_job_id"],
    )
    _mirror(
        "plexus_feedback_change_detail",
        (
            "id feedback_item_id change_type external_id changed_at changed_by initial_answer_value "
            "final_answer_value initial_comment_value final_comment_value edit_comment_value created_at "
            "updated_at extra"
        ),
        indexes=[],
    )


def _views() -> None:
    op.execute(
        """
        CREATE VIEW v_pending AS
        SELECT o.seq, o.remote, o.model, o.key, o.op, o.state, o.attempts, o.due_at, o.created_at, o.code, o.reason,
               (SELECT min(p.seq) FROM outbox p WHERE p.model = o.model AND p.key = o.key AND p.remote = o.remote
                AND p.seq < o.seq) AS behind_seq
        FROM outbox o ORDER BY o.seq
        """
    )
    op.execute(
        """
        CREATE VIEW v_conflicts AS
        SELECT id, remote, model, key, field, base, ours, theirs, detected_at, seq
        FROM conflict WHERE resolved_at IS NULL ORDER BY id
        """
    )
    op.execute(
        """
        CREATE VIEW v_lag AS
        SELECT remote, count(*) AS waiting, min(created_at) AS oldest_at, max(attempts) AS most_attempts,
               sum(state IN ('parked', 'conflict')) AS attention
        FROM outbox GROUP BY remote
        """
    )
