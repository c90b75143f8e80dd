"""Steps that several workflows share. Each reads what it needs, and may run twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from zcloud.domain.errors import GuestSilent, HypervisorFailed, NotFound
from zcloud.domain.guest import SECRETS, GuestSecrets, describe_guest
from zcloud.domain.hardware import settle
from zcloud.domain.image import Image
from zcloud.domain.instance import Instance
from zcloud.drivers.compute.design import DomainPlan, design_domain
from zcloud.drivers.compute.devices import definition_facts
from zcloud.drivers.compute.patch import patch_accel, patch_incarnation, patch_paths
from zcloud.drivers.guest.agent import ask_time
from zcloud.drivers.guest.cloudinit import build_seed
from zcloud.drivers.guest.offline import at_birth, build_script
from zcloud.drivers.guest.seed import build_iso
from zcloud.ports import DomainState, Hypervisor
from zcloud.workflows import offline
from zcloud.workflows.context import Run, Whole, base_image, load_whole
from zcloud.workflows.design import (
    console_log,
    logs,
    memory_name,
    nvram_copy_name,
    nvram_name,
    plan_domain,
    saved_name,
    seed_name,
    tpm_directory,
)

_CLOCK_S = 2
OFF = frozenset({DomainState.SHUTOFF, DomainState.CRASHED})


def put_base(run: Run) -> None:
    """Put the image, and those of its CDs, into the root volume's pool; they stay there for the next instance."""
    whole = load_whole(run)
    for image in filter(None, (whole.image, whole.drivers, whole.cd)):
        bring_image(run, whole, image)


def bring_image(run: Run, whole: Whole, image: Image) -> None:
    """Put an image into the pool of the instance's root volume."""
    _, pool = whole.root
    driver, base, path = run.storage(pool, whole.instance.host_id), base_image(image), run.image_file(image)
    if not driver.has_base(base):
        driver.ensure_base(base, lambda: path.open("rb"), lambda done: run.control.progress(done, base.size))


def make_volumes(run: Run) -> None:
    """Make every volume."""
    whole = load_whole(run)
    for volume, pool in whole.volumes:
        run.storage(pool, whole.instance.host_id).ensure_volume(whole.volume_spec(volume))


def remove_volumes(run: Run) -> None:
    """Remove every volume that is not to be kept."""
    whole = load_whole(run)
    kept = set(run.args.get("keep", ()))
    for volume, pool in whole.volumes:
        driver = run.storage(pool, whole.instance.host_id)
        if volume.id not in kept:
            driver.delete_volume(volume.id)
            continue
        for each in run.read(lambda tx: tx.snapshots.of_instance(whole.instance.id)):
            driver.drop_snapshot(whole.volume_spec(volume), each.id)


def admit_ports(run: Run) -> None:
    """Have networks serve the ports and the anti-spoofing rules know them, before the guest starts."""
    admit_ports_of(run, load_whole(run))


def admit_ports_of(run: Run, whole: Whole) -> None:
    """Do so for an instance that need not be as it is recorded."""
    for port, network in whole.ports:
        run.network(network, whole.instance.host_id).ensure_port(port)


def remove_ports(run: Run) -> None:
    """Take the ports back."""
    whole = load_whole(run)
    for port, network in whole.ports:
        run.network(network, whole.instance.host_id).remove_port(port)


def write_seed(run: Run) -> None:
    """Write the guest's seed beside its root volume."""
    write_seed_of(run, load_whole(run))


def write_seed_of(run: Run, whole: Whole) -> None:
    """Do so for an instance that need not be as it is recorded.

    A system without cloud-init is told the same on its disk; from its first run on it is the guest's own affair.
    """
    instance = whole.instance
    with run.store.read() as tx:
        secrets = GuestSecrets.unpack({kind: tx.secrets.get(f"instance.{kind}", instance.id) for kind in SECRETS})
    volumes = [volume for volume, _ in whole.volumes]
    spec = describe_guest(instance, whole.ports, volumes, secrets)
    if spec.options.offline:
        if not instance.incarnation:
            user = whole.image.default_user if whole.image else ""
            run.control.progress(0, 0, offline.customize(run, whole, build_script(at_birth(spec, user))))
        return
    files = build_seed(spec)
    run.storage(whole.home, instance.host_id).ensure_artifact(seed_name(instance), build_iso(files))


def remove_artifacts(run: Run) -> None:
    """Remove the guest's seed, its UEFI variables, its TPM's state and its console's log."""
    whole = load_whole(run)
    instance = whole.instance
    driver = run.storage(whole.home, instance.host_id)
    driver.delete_artifact(seed_name(instance))
    driver.delete_artifact(nvram_name(instance))
    driver.delete_artifact(offline.script_name(whole))
    beside_root = run.storage(whole.root[1], instance.host_id)
    for each in run.read(lambda tx: tx.snapshots.of_instance(instance.id)):
        driver.delete_artifact(nvram_copy_name(instance, each.id))
        if each.memory:
            beside_root.delete_artifact(memory_name(instance, each.id))
    if instance.saved:
        beside_root.delete_artifact(saved_name(instance))
    shell = run.link(instance.host_id).shell
    shell.remove(*logs(instance))
    if instance.hardware.get("tpm"):  # libvirt removes it only with a definition that still has the TPM
        shell.run(["rm", "-r", "-f", "--", tpm_directory(instance)])


def define(run: Run, change: Callable[[DomainPlan], DomainPlan] = lambda plan: plan) -> None:
    """Design the domain and define it; its machine type is pinned from now on."""
    whole = load_whole(run)
    instance = whole.instance
    with run.store.read() as tx:
        host, project = tx.hosts.get(instance.host_id), tx.projects.get(instance.project_id)
    plan = change(plan_domain(run, whole, host, project.name, instance.incarnation + 1))
    facts = _define(run.link(host.id).hypervisor, instance.id, design_domain(plan))
    keys = plan.uefi is not None and plan.uefi.secure_boot  # its variables were born with the keys of Secure Boot
    hardware = {**instance.hardware, "console_log": plan.console_log, **facts, "uefi_keys": keys}
    hardware["tpm"] = plan.hardware.tpm != "off"
    with run.store.write() as tx:
        tx.instances.update(instance.id, machine=plan.machine, hardware=hardware)


def undefine(run: Run) -> None:
    """Take the power away and remove the definition."""
    instance = load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    hypervisor.destroy(instance.id)
    hypervisor.undefine(instance.id)


def fit_definition(run: Run) -> None:
    """Fit the definition to what runs CPUs on the host now, and write which run comes next into it.

    The definition of an adopted instance stays as it is: its runs are counted by the store alone.
    """
    with run.store.read() as tx:
        instance = tx.instances.get(run.resource_id)
        host = tx.hosts.get(instance.host_id)
    if instance.adopted:
        return
    bring_small_files(run)
    cpu = settle(instance.options).cpu
    redefine(run, lambda xml: patch_incarnation(patch_accel(xml, host.accel, cpu), run.args["incarnation"]))


def bring_small_files(run: Run) -> None:
    """Have seed and UEFI variables of an instance that is off beside its root volume, which they could not follow."""
    whole = load_whole(run)
    if whole.left is None:
        return
    instance, snapshots = whole.instance, run.read(lambda tx: tx.snapshots.of_instance(whole.instance.id))
    old, new = (run.storage(pool, instance.host_id) for pool in (whole.left, whole.root[1]))
    shell, names = run.link(instance.host_id).shell, [seed_name(instance), nvram_name(instance)]
    names += [nvram_copy_name(instance, each.id) for each in snapshots]
    for name in names:
        with contextlib.suppress(NotFound):  # not every guest has all of them
            new.ensure_artifact(name, shell.read_file(old.artifact_path(name)))
    redefine(run, lambda xml: patch_paths(xml, {old.artifact_path(name): new.artifact_path(name) for name in names}))
    for name in names:
        old.delete_artifact(name)
    with run.store.write() as tx:
        hardware = tx.instances.get(instance.id).hardware
        kept = {key: value for key, value in hardware.items() if key != "small_files"}
        tx.instances.update(instance.id, hardware=kept)


def redefine(run: Run, patch: Callable[[str], str]) -> None:
    """Change the instance's definition, if ``patch`` changes it; raises NotFound where there is none any more."""
    instance = load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    xml = hypervisor.domain_xml(instance.id)
    if xml is None:
        raise NotFound(
            f"The domain of {instance.name} is not on its host any more.",
            hint="It was removed outside zcloud. Its disks are still there; delete the instance with or without them.",
        )
    patched = patch(xml)
    if patched == xml:
        return
    facts = _define(hypervisor, instance.id, patched)
    with run.store.write() as tx:
        tx.instances.update(instance.id, hardware={**instance.hardware, **facts})


def power_on(run: Run, incarnation: int = 0) -> None:
    """Start the domain as the incarnation that the operation was admitted for, or as a later one of its own."""
    instance, number = load_instance(run), incarnation or run.args["incarnation"]
    with run.store.write() as tx:
        tx.instances.begin_incarnation(instance.id, number, instance.host_id)
    join_stores(run, instance)
    link = run.link(instance.host_id)
    if number > 1 and not instance.adopted and is_off(link.hypervisor, instance.id):
        log = console_log(instance)  # the log of one run; the one before is kept beside it
        link.shell.run(["mv", "-f", "-T", log, f"{log}.previous"], check=False)
    link.hypervisor.start(instance.id)


def join_stores(run: Run, instance: Instance) -> None:
    """Have the shared pools of an instance's volumes usable on its host: it may have been booted a moment ago."""
    with run.store.read() as tx:
        volumes = [*tx.volumes.of_instance(instance.id), *tx.readers.of_instance(instance.id)]
        pools = tx.pools.many({each.pool_id for each in volumes})
    for pool in pools.values():
        if pool.shared:
            run.storage(pool, instance.host_id)


def power_off(run: Run) -> None:
    """Take the power away."""
    instance = load_instance(run)
    run.link(instance.host_id).hypervisor.destroy(instance.id)


def set_clock(run: Run, instance: Instance) -> None:
    """Set the clock of a guest that was held, where it has an agent that answers; without one it is left behind."""
    with contextlib.suppress(GuestSilent, HypervisorFailed):
        hypervisor = run.link(instance.host_id).hypervisor
        hypervisor.agent(instance.id, "guest-set-time", ask_time(run.now()), timeout_s=_CLOCK_S)


def is_off(hypervisor: Hypervisor, instance_id: str) -> bool:
    """Say whether the domain is off, or not there at all."""
    states = {each.uuid: each.state for each in hypervisor.list_domains()}
    return states.get(instance_id, DomainState.SHUTOFF) in OFF


def is_paused(hypervisor: Hypervisor, instance_id: str) -> bool:
    """Say whether the domain is held."""
    return any(each.uuid == instance_id and each.state is DomainState.PAUSED for each in hypervisor.list_domains())


def load_instance(run: Run) -> Instance:
    """Read the instance that the operation is about."""
    with run.store.read() as tx:
        return tx.instances.get(run.resource_id)


def _define(hypervisor: Hypervisor, uuid: str, xml: str) -> Mapping[str, Any]:
    """Define a domain, and give what is kept of it: by its digest the observer tells a change that was not ours."""
    hypervisor.define(xml)
    return definition_facts(hypervisor.domain_xml(uuid) or xml)
