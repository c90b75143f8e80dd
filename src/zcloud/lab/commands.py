"""``zcloud lab``: a cloud of namespace hosts on this machine, for trying zcloud without hardware."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import click

from zcloud.client import ApiError, Client
from zcloud.domain.errors import ZcloudError
from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.lab.tiny import tiny_image
from zcloud.lab.trial import DEFAULT, MOST_HOSTS, State, Trial, missing_programs

_directory = click.option(
    "-D", "--dir", "directory", type=click.Path(path_type=Path), default=DEFAULT,
    help=f"Where everything of it is kept [{DEFAULT}].",
)  # fmt: skip
IMAGE, NETWORK, KEY = "tiny", "lab", "lab"


@click.command()
@click.option("--hosts", "count", type=click.IntRange(1, MOST_HOSTS), default=2, help="How many hosts [2].")
@_directory
def up(count: int, directory: Path) -> None:
    """Make a cloud to try: hosts made of namespaces, a server, a pool and a network, a tiny image.

    It takes root, libvirt and QEMU, touches neither the machine's own libvirt nor its network, and goes on when this
    shell ends. Run again it says what is there.
    """
    _need_root()
    missing = missing_programs()
    if missing:
        raise click.ClickException(f"Not installed here: {', '.join(missing)}. See docs/operate/install.md.")
    trial = Trial(directory.absolute())
    state = trial.state()
    if state is not None and not state.keeper.runs:
        trial.end()  # what a machine that was switched off, or a killed keeper, left
        state = None
    try:
        if state is not None and state.stage != "ready":
            raise click.ClickException(f"The lab is {state.stage}. See: zcloud lab status; zcloud lab down")
        if state is None:
            _part("installation", trial.prepare)
            _part(f"{count} hosts and the server", lambda: trial.start(count))
        _fill(trial)
    except ZcloudError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    except ApiError as error:
        raise click.ClickException(f"{error} {error.hint}".strip()) from error
    _tell(trial)


@click.command()
@_directory
def status(directory: Path) -> None:
    """Say what of the lab runs."""
    trial = Trial(directory.absolute())
    state = trial.state()
    if state is None:
        raise click.ClickException(f"There is no lab in {directory}. Make one: zcloud lab up")
    for name, process in (("keeper", state.keeper), ("server", state.server)):
        click.echo(f"{name:<8} {'runs' if process.runs else 'does not run'} (process {process.pid})")
    for host in state.hosts:
        click.echo(f"host     {host.name} {host.address}")
    click.echo(f"url      {state.url}\nuse      . {trial.environment}")
    if state.stage != "ready" or not (state.keeper.runs and state.server.runs):
        raise click.ClickException(f"The lab is {state.stage}. {state.why} Remove it: zcloud lab down".strip())


@click.command()
@_directory
def down(directory: Path) -> None:
    """Stop everything of the lab, and remove every file of it."""
    _need_root()
    if not Trial(directory.absolute()).end():
        click.echo(f"There is no lab in {directory}.")
        return
    click.echo(f"Everything is removed. What was built for it stays in {DEFAULT_CACHE} for the next time.")


def _need_root() -> None:
    if os.geteuid() != 0:
        raise click.ClickException("Namespace hosts need root: sudo zcloud lab ...")


def _part(title: str, work: Callable[[], object]) -> None:
    begun = time.monotonic()
    work()
    click.echo(f"  {title}: {time.monotonic() - begun:.1f} s")


def _state(trial: Trial) -> State:
    state = trial.state()
    assert state is not None
    return state


def _fill(trial: Trial) -> None:
    """Have hosts, pools, the network, the image and the key in the cloud, each unless it is there."""
    state = _state(trial)
    with Client(state.url, ca=str(trial.authority)) as client:
        body = {"name": "admin", "password": trial.password.read_text().strip(), "client": "zcloud lab"}
        secret = client.post("/v1/login", body)["secret"]
    with Client(state.url, secret, ca=str(trial.authority)) as cloud:
        _part("hosts in the cloud, KVM probed", lambda: _add_hosts(cloud, state))
        _part("pools", lambda: _add_pools(cloud, state))
        if NETWORK not in _names(cloud.networks.list()):
            _part("network", lambda: _add_network(cloud, state))
        if IMAGE not in _names(cloud.images.list()):
            _part("tiny image", lambda: _add_image(cloud))
        if KEY not in _names(cloud.keys.list()):
            cloud.keys.add(name=KEY, public_key=trial.key.with_suffix(".pub").read_text())
        if not trial.environment.exists():
            _write_environment(trial, state, cloud.tokens.create(name="lab")["secret"])


def _names(records: object) -> set[str]:
    return {each["name"] for each in records}  # type: ignore[attr-defined]


def _add_hosts(cloud: Client, state: State) -> None:
    known = _names(cloud.hosts.list())
    changes = [
        cloud.hosts.add(name=each.name, kind="ssh", address=each.address, host_key=each.host_key, memory_ratio=4.0)
        for each in state.hosts
        if each.name not in known
    ]
    for change in changes:
        change.wait()


def _add_pools(cloud: Client, state: State) -> None:
    known = _names(cloud.pools.list())
    changes = [
        cloud.pools.create(name=f"{each.name}-pool", host=each.name, is_default=True)
        for each in state.hosts
        if f"{each.name}-pool" not in known
    ]
    for change in changes:
        change.wait()


def _add_network(cloud: Client, state: State) -> None:
    """Make a network of the hosts' own bridge, on which the machine is, too: guests can be reached from here."""
    net = state.gateway.rpartition(".")[0]
    cloud.networks.create(
        name=NETWORK,
        host=state.hosts[0].name,
        kind="bridge",
        cidr=f"{net}.0/24",
        gateway=state.gateway,
        ranges=[{"first": f"{net}.100", "last": f"{net}.249"}],
        options={"bridge": "br0", "isolation": "off"},
        is_default=True,
    ).wait()


def _add_image(cloud: Client) -> None:
    cloud.images.upload(tiny_image(), IMAGE, public=True, default_user="root").wait()


def _write_environment(trial: Trial, state: State, token: str) -> None:
    variables = {
        "ZCLOUD_URL": state.url,
        "ZCLOUD_CA": str(trial.authority),
        "ZCLOUD_TOKEN": token,
        "XDG_STATE_HOME": str(trial.directory / "state"),  # guests' host keys: gone with the lab
    }
    with os.fdopen(os.open(trial.environment, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"export {name}='{value}'\n" for name, value in variables.items())


def _tell(trial: Trial) -> None:
    state = _state(trial)
    names = ", ".join(each.name for each in state.hosts)
    click.echo(
        f"""
A cloud of {len(state.hosts)} hosts ({names}) runs. In each shell that is to use it:

  . {trial.environment}

Then, for instance:

  zcloud launch web --image {IMAGE} --vcpus 1 --memory 128M --disk 64M --key {KEY} --wait=ready
  zcloud ssh -i {trial.key} web
  zcloud list; zcloud host list; zcloud event follow
  curl --cacert {trial.authority} {state.url}/readyz

As another user: {state.url}, admin, password in {trial.password}
It goes on without this shell. Leave no trace of it: zcloud lab down"""
        + _other(trial)
    )


def _other(trial: Trial) -> str:
    return "" if trial.directory == DEFAULT else f" --dir {trial.directory}"
