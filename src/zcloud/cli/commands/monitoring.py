"""``zcloud monitoring``: what others need to watch zcloud."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import click

from zcloud.cli.base import Refusal, command
from zcloud.cli.output import note, say
from zcloud.cli.settings import App
from zcloud.cli.text import _

PROMETHEUS, RULES, DASHBOARD = "prometheus.yml", "zcloud.rules.yml", "zcloud-dashboard.json"
_AUTHORITY = "zcloud-ca.pem"


@command
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--force", is_flag=True, help="Write over files that are there.")
def export(app: App, directory: Path, force: bool) -> None:
    """Write what Prometheus and Grafana need to watch this server.

    A configuration and alert rules for Prometheus, a dashboard for Grafana, and the certificate of the server's
    authority.
    """
    files = contents(app)
    there = [name for name in files if (directory / name).exists()]
    if there and not force:
        raise Refusal(
            _("{names}: already in {directory}. Give --force to write over them.").format(
                names=", ".join(there), directory=directory
            )
        )
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
        say(app, str(directory / name))
    told = _("Prometheus reads with a token of its own:\n"
             "  zcloud token create prometheus --role viewer > {directory}/zcloud.token\n"
             "  prometheus --config.file={directory}/prometheus.yml\n"
             "In Grafana: Dashboards, Import, {dashboard}.")  # fmt: skip
    note(app, told.format(directory=directory, dashboard=DASHBOARD))


def contents(app: App) -> dict[str, str]:
    """Give the files' texts by their names, for the server that is spoken to."""
    source = resources.files("zcloud") / "deploy" / "monitoring"
    found = {name: (source / name).read_text(encoding="utf-8") for name in (PROMETHEUS, RULES, DASHBOARD)}
    parts = urlsplit(app.url)
    found[PROMETHEUS] = found[PROMETHEUS].replace("@SCHEME@", parts.scheme).replace("@TARGET@", parts.netloc)
    if parts.scheme == "https" and app.ca:
        text = app.ca if app.ca.startswith("-----BEGIN") else Path(app.ca).read_text(encoding="ascii")
        found[_AUTHORITY] = text
        found[PROMETHEUS] += f"    tls_config:\n      ca_file: {_AUTHORITY}\n"
    return found
