"""Names for ids, where the API gives ids only."""

from __future__ import annotations

from collections.abc import Callable

from zcloud.cli.settings import App
from zcloud.client import ApiError, Record


def namer(app: App, noun: str, field: str) -> Callable[[Record], str]:
    """Give a function that names the thing whose id is in ``field`` of a record; the id itself where it is not known.

    Nothing is asked for where ids will do, and people who may not list hosts see ids.
    """
    known: dict[str, str] = {}
    if app.for_people:
        try:
            known = {each["id"]: each["name"] for each in app.client.pages(f"/v1/{noun}")}
        except ApiError as error:
            if error.status != 403:
                raise
    return lambda record: known.get(record[field] or "", record[field] or "")
