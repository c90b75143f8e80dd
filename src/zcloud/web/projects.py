"""The projects in which a person may make and change things."""

from __future__ import annotations

from zcloud.domain.people import Project, Role
from zcloud.web.guard import Visit


def writable(visit: Visit) -> list[Project]:
    """Give the projects of which the person is a member, or more."""
    actor = visit.actor
    roles = ((each, actor.role_in(each.id)) for each in visit.parts.people.projects(actor))
    return [each for each, role in roles if role is not None and role.includes(Role.MEMBER)]
