"""What the server is set to, and how it is: versions, certificates, checks, backups."""

from __future__ import annotations

import platform

from starlette.responses import Response

from zcloud.web.guard import Visit, page


def show(visit: Visit) -> Response:
    """Show what the server says about itself."""
    settings, parts = visit.parts.settings, visit.parts
    prints, ends = settings.fingerprints(), settings.metrics.certificates()
    return visit.show(
        "settings.html", checks=parts.health.check(), backups=parts.maintenance.backups(visit.actor),
        reconcile=parts.reconcile.show(visit.actor), settings=settings, python=platform.python_version(),
        certificates=[(name, prints.get(name, ""), end) for name, end in ends.items()],
    )  # fmt: skip


ROUTES = (page("/settings", "GET /v1/backups", show),)
