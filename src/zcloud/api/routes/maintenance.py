"""Reconcile mode after a restore, and scheduled backups."""

from __future__ import annotations

import dataclasses

from starlette.responses import Response

from zcloud.api.answers import answer, paged
from zcloud.api.params import Cursor, Limit, routes
from zcloud.api.parts import Calling
from zcloud.services.reconcile import ReconcileView
from zcloud.wire.base import Listing
from zcloud.wire.maintenance import BackupState, Difference, ReconcileFinish, ReconcileState

router = routes("maintenance")


@router.get("/reconcile", response_model=ReconcileState)
def show_reconcile(call: Calling) -> Response:
    """Say whether a restored server still compares records and hosts."""
    return answer(ReconcileState, _state(call.parts.reconcile.show(call.actor)))


@router.get("/reconcile/differences", response_model=Listing[Difference])
def list_differences(call: Calling, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """List how hosts differ from the records, and what becomes of each difference."""
    page = call.parts.reconcile.differences(call.actor, cursor, limit)
    return paged(Difference, page, lambda each: Difference(**dataclasses.asdict(each)))


@router.post("/reconcile/finish", response_model=ReconcileState)
def finish_reconcile(call: Calling, body: ReconcileFinish) -> Response:
    """End the reconcile mode: what hosts run is taken as it is, and changes are allowed again."""
    return answer(ReconcileState, _state(call.parts.reconcile.finish(call.actor, anyway=body.anyway)))


@router.get("/backups", response_model=BackupState)
def show_backups(call: Calling) -> Response:
    """Say how scheduled backups went."""
    return answer(BackupState, BackupState(**dataclasses.asdict(call.parts.maintenance.backups(call.actor))))


def _state(view: ReconcileView) -> ReconcileState:
    mode = view.mode
    return ReconcileState(
        active=mode is not None,
        taken_at=mode.taken_at if mode else "",
        restored_at=mode.restored_at if mode else "",
        operations=mode.operations if mode else (),
        differences=view.differences,
        unseen_hosts=view.unseen,
        pending_hosts=view.pending,
    )
