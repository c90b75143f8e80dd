"""``zcloud image build``: an image from a distribution's own packages, built here and sent to the server."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from zcloud.cli.asking import wait_option
from zcloud.cli.base import command
from zcloud.cli.commands.image_import import upload
from zcloud.cli.output import note, say
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size
from zcloud.client import ApiError
from zcloud.domain.errors import ZcloudError
from zcloud.imagebuild.build import Built, build_image, find_recipe
from zcloud.imagebuild.recipes import RECIPES, Recipe


@command
@click.argument("recipe", type=click.Choice(tuple(RECIPES)), metavar="RECIPE")
@click.option("--name", default="", help="What it is called [like the recipe].")
@click.option("--mirror", default="", metavar="URL", help="The distribution's mirror.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Keep it in this file; send nothing.")
@click.option("--public", is_flag=True, help="For everybody, not for a project only.")
@wait_option
def build(app: App, recipe: str, mirror: str, target: Path | None, **options: Any) -> None:
    """Build a bootable image from a distribution's packages (as root), and import it."""
    chosen = find_recipe(recipe)
    if target is not None:
        _build(app, chosen, target, mirror)
        return
    with tempfile.TemporaryDirectory(prefix="zcloud-build-", dir="/var/tmp") as scratch:  # /tmp may be small
        built = _build(app, chosen, Path(scratch) / f"{recipe}.qcow2", mirror)
        body = {
            "name": options["name"] or recipe.replace(".", "-"),
            "public": options["public"],
            "project": "" if options["public"] else app.project,
            "format": "qcow2",
            "os_id": chosen.os_id,
            "default_user": chosen.default_user,
        }
        upload(app, built.path, body, "", wait=options["wait"])


def _build(app: App, recipe: Recipe, output: Path, mirror: str) -> Built:
    try:
        built = build_image(recipe, output, mirror=mirror, progress=lambda part: note(app, f"  {part}"))
    except ZcloudError as error:
        record = error.to_record()
        raise ApiError(0, {**record, "detail": plain(record["message"])}) from error
    text = _("Built {name}: {size} in {s:.0f} s.")
    say(app, text.format(name=output.name, size=size(built.file_bytes), s=built.seconds))
    return built
