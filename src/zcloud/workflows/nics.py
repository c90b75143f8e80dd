"""Attach and detach an instance's NICs, and cut and join their links, whether it runs or not."""

from __future__ import annotations

from dataclasses import replace

from zcloud.domain.errors import ZcloudError
from zcloud.domain.hardware import settle
from zcloud.domain.instance import Instance
from zcloud.domain.network import Network, Port
from zcloud.domain.operation import StepStatus
from zcloud.drivers.compute import devices
from zcloud.drivers.compute.design import design_nic
from zcloud.operations.model import Step, Workflow
from zcloud.ports import Layer
from zcloud.store import Tx
from zcloud.workflows.context import Run, Whole, load_whole
from zcloud.workflows.parts import write_seed_of
from zcloud.workflows.plugging import Wanted, definition, drop, note_definition, plug, pull, running, unplug


def _mine(run: Run) -> tuple[Whole, Port, Network]:
    """Give the instance, and the port that the operation is about."""
    whole = load_whole(run)
    port, network = next(each for each in whole.ports if each[0].id == run.args["port"])
    return whole, port, network


def _wanted(run: Run) -> tuple[Instance, Wanted]:
    whole, port, network = _mine(run)
    instance = whole.instance
    plug = run.network(network, instance.host_id).plug(port)
    xml = design_nic(plug, settle(instance.options).nic_model)
    return instance, Wanted(f"the NIC {port.address or port.mac}", lambda text: devices.find_nic(text, port.mac), xml)


def admit(run: Run) -> None:
    """Have the network serve the port, and the anti-spoofing rules know it, before its tap is there."""
    whole, port, network = _mine(run)
    driver = run.network(network, whole.instance.host_id)
    driver.ensure_network()
    driver.ensure_port(port)


def release(run: Run) -> None:
    """Take the port back, after its tap is gone."""
    whole, port, network = _mine(run)
    run.network(network, whole.instance.host_id).remove_port(port)


def plug_in(run: Run) -> None:
    """Plug the NIC in."""
    plug(run, *_wanted(run))


def pull_out(run: Run) -> None:
    """Have the NIC gone again."""
    pull(run, *_wanted(run))


def let_go(run: Run) -> None:
    """Have the guest let go of the NIC."""
    unplug(run, *_wanted(run))


def forget(run: Run) -> None:
    """Take the NIC out of the definition."""
    drop(run, *_wanted(run))


def seed_with(run: Run) -> None:
    """Tell the guest's next boot of the NIC."""
    write_seed_of(run, load_whole(run))


def seed_without(run: Run) -> None:
    """Tell the guest's next boot nothing of the NIC."""
    whole, port, _ = _mine(run)
    write_seed_of(run, replace(whole, ports=tuple(each for each in whole.ports if each[0].id != port.id)))


def set_link(run: Run) -> None:
    """Cut or join the link."""
    _link(run, up=bool(run.args["up"]))


def restore_link(run: Run) -> None:
    """Have the link as it is on record."""
    _link(run, up=_mine(run)[1].link_up)


def _link(run: Run, *, up: bool) -> None:
    whole, port, _ = _mine(run)
    instance = whole.instance
    hypervisor = run.link(instance.host_id).hypervisor
    for layer, xml in ((Layer.DEFINITION, definition(run, instance)), (Layer.LIVE, running(run, instance))):
        nic = devices.find_nic(xml, port.mac) if xml else None
        if nic is not None and (nic.link != "down") is not up:
            nic.link = "up" if up else "down"
            hypervisor.update_device(instance.id, nic.to_xml(), layer)
    note_definition(run, instance)


def _attached(run: Run, tx: Tx) -> None:
    """The port was recorded when it was asked for."""


def _not_attached(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Give the address back; a NIC that the guest would not let go of keeps it."""
    del error
    steps = {each.name: each.status for each in tx.operations.get(run.operation.id).steps}
    if steps.get(_PLUG.name) is not StepStatus.LEFT:
        tx.ports.delete(run.args["port"])


def _detached(run: Run, tx: Tx) -> None:
    tx.ports.delete(run.args["port"])


def _linked(run: Run, tx: Tx) -> None:
    tx.ports.update(run.args["port"], link_up=bool(run.args["up"]))


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """What was done was undone; nothing had been recorded."""


_PLUG = Step("plug", "Plug the NIC in", plug_in, pull_out)

NIC_ATTACH = Workflow(
    name="instance_attach_nic_v1",
    title="Add a NIC",
    steps=(
        Step("port", "Admit the network port", admit, release),
        _PLUG,
        Step("seed", "Tell the guest's next boot", seed_with, seed_without),
    ),
    succeed=_attached,
    fail=_not_attached,
)

NIC_DETACH = Workflow(
    name="instance_detach_nic_v1",
    title="Take a NIC away",
    steps=(
        Step("unplug", "Have the guest let go of the NIC", let_go, plug_in),
        Step("forget", "Take the NIC out of the definition", forget, plug_in),
        Step("seed", "Tell the guest's next boot", seed_without, seed_with),
        Step("port", "Take the network port back", release, admit),
    ),
    succeed=_detached,
    fail=_as_before,
)

NIC_LINK = Workflow(
    name="instance_link_nic_v1",
    title="Cut or join a NIC's link",
    steps=(Step("link", "Set the link", set_link, restore_link),),
    succeed=_linked,
    fail=_as_before,
)
