"""One verb for many instances."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import answer
from zcloud.api.params import routes
from zcloud.api.parts import Calling
from zcloud.domain.errors import InvalidInput
from zcloud.domain.instance import InstanceStatus
from zcloud.services.actions import Action, Outcome, Selection
from zcloud.services.instances import InstanceQuery
from zcloud.wire.actions import ActionRefusal, ActionRequest, ActionResult, ActionResults, ActionWhich

router = routes("instances")


@router.post(
    "/instances/actions",
    status_code=202,
    response_model=ActionResults,
    responses={200: {"model": ActionResults, "description": "With dry_run: what would become of each."}},
)
def act_on_instances(call: Calling, body: ActionRequest) -> Response:
    """Do one thing to many instances: an operation for each, and each refusal with its reason."""
    selection = Selection(_query(body.project, body.which), body.which.names, body.which.all)
    action = Action(body.verb, body.arguments.model_dump())
    outcomes = call.parts.owner.actions.act(call.actor, selection, action, dry_run=body.dry_run)
    results = ActionResults(body.dry_run, tuple(map(_result, outcomes)))
    return answer(ActionResults, results, 200 if body.dry_run else 202)


def _query(project: str, which: ActionWhich) -> InstanceQuery:
    known = set(InstanceStatus)
    unknown = [each for each in which.status if each not in known]
    if unknown:
        raise InvalidInput(f"There is no status {unknown[0]!r}.", field="which.status")
    status = tuple(map(InstanceStatus, which.status))
    return InstanceQuery(project, status, which.tags, which.host, which.image, which.search)


def _result(outcome: Outcome) -> ActionResult:
    operation = show.operation(outcome.operation) if outcome.operation else None
    error = outcome.refusal
    refusal = ActionRefusal(error.code, error.message, error.hint) if error else None
    return ActionResult(outcome.id, outcome.name, operation, refusal)
