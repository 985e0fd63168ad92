"""R9: bugs to plant into a copy of the engine, and the few tests of the suite that each must make fail.

The old text has to stand exactly once in its file, so that a source that moved on is noticed here at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """``old`` becomes ``new`` in ``file``; at least one of ``tests`` (one selection of pytest) then fails."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    invariant: str


BUGS = (
    Bug(
        "the mark moves before the rows of its page",
        "syncer/engine/walking.py",
        '        failpoints.reached("page-read")\n',
        "        with self.database.transaction() as tx:\n            marks.put(tx, model, mark)\n",
        "tests/engine/test_marks.py::test_a_page_that_cannot_be_stored_leaves_the_mark_where_it_was",
        "I11",
    ),
    Bug(
        "the mark moves past pages nobody has seen",
        "syncer/engine/position.py",
        "        return replace(mark, token=page.token, highest=highest, started_at=started)\n",
        "        return Mark(mark.partition, highest, complete_at=clock.stored_now())\n",
        "tests/engine/test_pull.py::test_a_killed_pull_goes_on_where_it_was",
        "I11",
    ),
    Bug(
        "the overlap of a pull is left out",
        "syncer/engine/position.py",
        "earlier(mark.position, self.overlap_s)",
        "mark.position",
        "tests/engine/test_pull.py::test_a_late_arrival_inside_the_overlap_is_seen",
        "I12",
    ),
    Bug(
        "a repeat goes out under a new key",
        "syncer/outbox/queue.py",
        '        state=sa.bindparam("st"),\n',
        '        state=sa.bindparam("st"),\n        body=None,\n        idem_key=sa.func.hex(sa.func.randomblob(16)),\n',
        "tests/contract/test_remotes.py::test_a_lost_reply_is_one_effect",
        "I3",
    ),
    Bug(
        "the body changes under a used key",
        "syncer/outbox/queue.py",
        '        state=sa.bindparam("st"),\n',
        '        state=sa.bindparam("st"),\n        body=None,\n',
        "tests/engine/test_push.py::test_a_create_that_was_edited_before_its_repeat_is_still_ours",
        "I4",
    ),
    Bug(
        "an edit is folded into a change that is being sent",
        "syncer/outbox/rules.py",
        "    if earlier_state not in (State.PENDING, State.PARKED) or ",
        "    if earlier_state is State.CONFLICT or ",
        "tests/outbox/test_rules.py::test_what_may_be_applied_is_never_touched",
        "I5",
    ),
    Bug(
        "create and delete vanish although the create was sent",
        "syncer/outbox/rules.py",
        "        if earlier_op == Op.CREATE and not sent:\n",
        "        if earlier_op == Op.CREATE:\n",
        "tests/outbox/test_rules.py::test_only_what_was_never_sent_vanishes",
        "I5",
    ),
    Bug(
        "a change is acknowledged before its answer is known",
        "syncer/engine/claim.py",
        "        queue.sending(tx, attempts)\n",
        '        queue.sending(tx, attempts)\n        queue.leave(tx, [seq for seq, *_ in attempts], "acked")\n',
        "tests/engine/test_push.py::test_a_lost_reply_makes_one_record",
        "I6",
    ),
    Bug(
        "what may have been applied is taken for not applied",
        "syncer/engine/settle.py",
        "        maybe = receipt.outcome is Outcome.AMBIGUOUS or change.state is State.AMBIGUOUS\n",
        "        maybe = False\n",
        "tests/engine/test_push.py::test_a_lost_reply_makes_one_record",
        "I6",
    ),
    Bug(
        "a dead sync's changes are taken for never sent",
        "syncer/outbox/queue.py",
        '    .values(state=State.AMBIGUOUS, code="interrupted"',
        '    .values(state=State.PENDING, code="interrupted"',
        "tests/engine/test_push.py::test_interrupted_sending_becomes_ambiguous",
        "I6",
    ),
    Bug(
        "a change leaves by no door",
        "syncer/outbox/queue.py",
        '    tx.run(_LEAVE, {"seqs": listed, "door": door, "by": by, "now": clock.stored_now(), "why": why})\n',
        "",
        "tests/engine/test_push.py::test_mending_a_parked_record_sends_it",
        "I2",
    ),
    Bug(
        "a child is sent before its parent",
        "syncer/engine/claim.py",
        "            elif change.op == Op.CREATE or field.name in change.fields:\n                return None\n",
        "",
        "tests/engine/test_push.py::test_children_of_a_parked_parent_wait",
        "I7",
    ),
    Bug(
        "a record's changes overtake each other",
        "syncer/outbox/queue.py",
        '        sa.or_(sa.bindparam("only").is_(None), _o.model.in_(_ONLY)),\n'
        "        ~sa.exists().where(_ahead.c.model == _o.model, _ahead.c.key == _o.key, _ahead.c.seq < _o.seq),\n",
        '        sa.or_(sa.bindparam("only").is_(None), _o.model.in_(_ONLY)),\n',
        "tests/engine/test_push.py::test_an_edit_while_ambiguous_becomes_a_successor",
        "I7",
    ),
    Bug(
        "a poisoned batch is refused as a whole",
        "syncer/engine/delivery.py",
        "    if reply.divisible and len(changes) > 1:\n",
        "    if reply.divisible and not changes:\n",
        "tests/engine/test_push.py::test_a_poisoned_batch_is_bisected",
        "I8",
    ),
    Bug(
        "the wait that was asked for is ignored",
        "syncer/engine/backoff.py",
        "retry_after_s or 0.0)",
        "0.0)",
        "tests/engine/test_push.py::test_throttling_waits_as_long_as_asked",
        "I10",
    ),
    Bug(
        "refused credentials spend attempts",
        "syncer/engine/settle.py",
        "        if self._halt in (Halt.ACCESS, Halt.UNREACHABLE) and ",
        "        if self._halt is Halt.UNREACHABLE and ",
        "tests/engine/test_push.py::test_wrong_credentials_stop_at_once_and_cost_no_attempt",
        "I10",
    ),
    Bug(
        "a pull writes over waiting edits",
        "syncer/engine/pages.py",
        "    waiting = queue.waiting_keys(tx, model, keys)\n",
        "    waiting: set[str] = set()\n",
        "tests/engine/test_pull.py::test_a_waiting_edit_is_kept",
        "I13",
    ),
    Bug(
        "a merge drops the value that loses",
        "syncer/cache/merge.py",
        "            clash = Clash(name, before if earlier is None else earlier.base, ours, theirs)\n",
        "            clash = Clash(name, before if earlier is None else earlier.base, ours, ours)\n",
        "tests/cache/test_merge_rules.py::test_both_values_of_every_clash_are_kept",
        "I14",
    ),
    Bug(
        "objects are merged as wholes",
        "syncer/cache/merge.py",
        "    if field.kind is Kind.JSON and not field.many:\n",
        "    if field.kind is Kind.FLAG and not field.many:\n",
        "tests/cache/test_merge_rules.py::test_different_keys_are_both_kept",
        "I14",
    ),
    Bug(
        "half a scan counts as a whole one",
        "syncer/engine/walking.py",
        "            whole = fresh and start == part.since and may_be_whole\n",
        "            whole = may_be_whole\n",
        "tests/engine/test_sweep.py::test_a_scan_in_two_runs_is_not_complete",
        "I15",
    ),
    Bug(
        "rows with waiting edits are swept away",
        "syncer/engine/sweep.py",
        "        removed = [key for key in keys if key not in waiting]\n",
        "        removed = list(keys)\n",
        "tests/engine/test_sweep.py::test_rows_with_waiting_edits_stay_and_become_a_conflict",
        "I15",
    ),
    Bug(
        "an empty list means that all was deleted",
        "syncer/engine/sweep.py",
        "        if not seen and suspects > waiting and not self.allowed:\n",
        "        if not seen and suspects < 0:\n",
        "tests/engine/test_sweep.py::test_an_empty_answer_removes_nothing_and_is_said",
        "I15",
    ),
    Bug(
        "a local id is sent",
        "syncer/prefactor/forms.py",
        "    return ids.is_local(key) or ids.is_minted(key) or len(key) > _LONGEST_ID\n",
        "    return False\n",
        "tests/prefactor/test_wire.py::test_a_span_whose_run_was_dropped",
        "I18",
    ),
    Bug(
        "the remote's id of a record is not taken over",
        "syncer/engine/settle.py",
        "        renaming.rename(self._tx, self._remote.models, change.model, change.key, receipt.key)\n"
        "        return replace(change, key=receipt.key)\n",
        "        return change\n",
        "tests/abeja/test_client.py::test_both_ids_are_good_for_ever",
        "I18",
    ),
    Bug(
        "the time of a condition is spelt anew",
        "syncer/plexus/forms.py",
        '    version = verbatim(base, "updatedAt") if base else None\n',
        '    version = clock.usual_text(base["updatedAt"]) if base else None\n',
        "tests/engine/test_pull.py::test_odd_spellings_of_times_survive",
        "I19",
    ),
    Bug(
        "an upsert is sent without asking who has it",
        "syncer/engine/claim.py",
        "        return self._resolved is not None and bool(upsert) and change.seq not in self._resolved\n",
        "        return False and bool(upsert)\n",
        "tests/engine/test_resolving.py::test_an_upsert_written_in_the_middle_of_a_push_is_asked_for_too",
        "I3",
    ),
    Bug(
        "an update nulls what nobody set",
        "syncer/plexus/forms.py",
        "for f in model.fields if f.name in names and f.origin not in untaken}",
        "for f in model.fields if f.origin not in untaken}",
        "tests/engine/test_unknown_fields.py::test_an_update_sends_no_null_for_what_nobody_set",
        "I19",
    ),
    Bug(
        "a file of a newer program is written to",
        "syncer/store/version.py",
        "    if found > head():\n",
        '    if found > "nothing":\n',
        "tests/store/test_files.py::test_a_newer_file_is_refused",
        "I20",
    ),
    Bug(
        "a row that is not its base and its edits is called sound",
        "syncer/engine/drift.py",
        "    return Drift(model.name, key, Kind.UNSOUND, fields, note) if fields else None\n",
        "    return None\n",
        "tests/engine/test_verify.py::test_a_row_that_is_not_its_base_with_its_edits_is_found",
        "I17",
    ),
    Bug(
        "a drift is called equal",
        "syncer/engine/drift.py",
        "    return Drift(model.name, key, Kind.DIFFERENT, fields) if fields else None\n",
        "    return None\n",
        "tests/engine/test_verify.py::test_a_planted_unknown_field_is_found",
        "I24",
    ),
    Bug(
        "a sync that was overtaken goes on committing",
        "syncer/outbox/lease.py",
        '"u": clock.after(LEASE_S)}) != 1:\n',
        '"u": clock.after(LEASE_S)}) < 0:\n',
        "tests/outbox/test_lease.py::test_an_overtaken_sync_cannot_commit",
        "I21",
    ),
    Bug(
        "credentials are shown",
        "syncer/redact.py",
        "            text = text.replace(secret, _HIDDEN)\n",
        "            text = text.strip()\n",
        "tests/http/test_failures.py::test_credentials_are_hidden",
        "I25",
    ),
    Bug(
        "a prune forgets how many went",
        "syncer/outbox/prune.py",
        '"n": n, "h":',
        '"n": 0, "h":',
        "tests/cli/test_prune.py::test_what_is_old_goes_and_the_books_close",
        "I2",
    ),
)
QUICK = ("an edit is folded into a change that is being sent", "a merge drops the value that loses", "credentials are shown")
"""What CI plants really; the others are planted by the long profile."""
