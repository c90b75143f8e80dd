"""The names of the places where a crash test may stop the process."""

from __future__ import annotations

from typing import Any

from zcloud.operations.model import Workflow


def fault_points(workflow: Workflow[Any]) -> list[str]:
    """Give the names of all fault points that the engine passes in a workflow.

    ``.after`` means that the effect is there and not yet in the rows. Fenced calls to hosts add
    ``WORKFLOW.STEP.VERB`` (see ``fence``).
    """
    places: list[str] = []
    for step in workflow.steps:
        places += [f"{step.name}.before", f"{step.name}.after"]
        if step.undo is not None:
            places += [f"{step.name}.undo.before", f"{step.name}.undo.after"]
    places += ["succeed.before", "succeed.after", "fail.before", "fail.after"]
    return [f"{workflow.name}.{place}" for place in places]
