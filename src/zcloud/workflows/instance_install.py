"""Make an instance whose system is installed from a medium: the installer boots, ends, and then the disk boots.

The installer's kernel, initrd and answers are small files beside the disks while it runs, so the guest gets them from
its own machine and nothing listens for it. A reboot ends the installer's run (``on_reboot`` is ``destroy``), as does
its power-off; any other end is a failure.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from http import HTTPStatus

from zcloud.domain.errors import DeadlineExceeded, DownloadFailed, InstallFailed, NotFound
from zcloud.domain.guest import ANSWERS
from zcloud.domain.hardware import settle
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import Instance
from zcloud.drivers.compute.design import DomainPlan
from zcloud.drivers.compute.installer import Installer, patch_installed
from zcloud.drivers.guest.answers import (
    Answers,
    Delivery,
    boots_kernel,
    check_answers,
    deliver,
    join_arguments,
    layouts,
)
from zcloud.drivers.guest.seed import build_volume
from zcloud.hosts.inspect import extract_file
from zcloud.imagebuild.initramfs import Archive
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.store import Tx
from zcloud.workflows import instance_create, parts
from zcloud.workflows.context import Run, load_whole
from zcloud.workflows.design import console_log, initrd_name, kernel_name, seed_name
from zcloud.workflows.fetching import drop_bytes, fetch_bytes

POLL = timedelta(seconds=3)
MAX_KERNEL, MAX_INITRD = 64 << 20, 512 << 20
_TAIL, _TOLD = 4096, 1000
_NOISE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _request(run: Run) -> InstallRequest:
    return InstallRequest(**run.args["asked"]["install"])


def _answers(run: Run) -> tuple[Answers | None, Delivery]:
    sealed = run.read(lambda tx: tx.secrets.get(f"instance.{ANSWERS}", run.resource_id))
    text = sealed.decode() if sealed else ""
    kind = check_answers(text)
    return kind, deliver(kind, text, run.resource_id)


def _bring_installer(run: Run) -> None:
    """Put the installer's kernel, initrd and answers beside the disks."""
    whole = load_whole(run)
    instance, (_, pool), install = whole.instance, whole.root, _request(run)
    driver, (kind, delivery) = run.storage(pool, instance.host_id), _answers(run)
    if delivery.volume:
        driver.ensure_artifact(seed_name(instance), build_volume(delivery.label, delivery.volume))
    if not boots_kernel(install, kind):
        return
    kernel, initrd = _fetch_kernel(run, install) if install.tree else _find_kernel(run, install)
    if delivery.initrd:
        more = Archive()
        for path, data in delivery.initrd.items():
            more.add_file(path, data, 0o600)
        initrd += bytes(-len(initrd) % 4) + more.build()
    driver.ensure_artifact(kernel_name(instance), kernel)
    driver.ensure_artifact(initrd_name(instance), initrd)


def _find_kernel(run: Run, install: InstallRequest) -> tuple[bytes, bytes]:
    """Read them from the medium, in a confined child."""
    cd = load_whole(run).cd
    if cd is None:
        raise NotFound("The medium is not in the drive any more.")
    path = run.image_file(cd)
    for kernel, initrd in layouts(install):
        found = extract_file(path, kernel)
        rest = extract_file(path, initrd) if found is not None else None
        if found is not None and rest is not None:
            return found, rest
    raise InstallFailed(
        "The medium has no kernel and initrd of an installer where they were looked for.",
        hint="Name them (--kernel, --initrd), or install without answers and arguments, from the medium's own menu.",
    )


def _fetch_kernel(run: Run, install: InstallRequest) -> tuple[bytes, bytes]:
    """Download them from a tree, from where it has them."""
    why = DownloadFailed(f"The tree at {install.tree} has no installer.")
    for kernel, initrd in layouts(install):
        try:
            found = fetch_bytes(run, f"{install.tree.rstrip('/')}/{kernel}", MAX_KERNEL, install.kernel_checksum)
        except DownloadFailed as error:
            if error.details.get("status") != HTTPStatus.NOT_FOUND:
                raise
            why = error
        else:
            rest = fetch_bytes(run, f"{install.tree.rstrip('/')}/{initrd}", MAX_INITRD, install.initrd_checksum)
            return found, rest
    raise InstallFailed(
        f"The tree has no kernel of an installer where it was looked for: {why.message}",
        hint="Name kernel and initrd below it (--kernel, --initrd), or give the directory that has them.",
    )


def _drop_installer(run: Run) -> None:
    """Remove the installer's kernel, initrd and answers."""
    drop_bytes(run)
    whole = load_whole(run)
    instance, (_, pool) = whole.instance, whole.root
    driver = run.storage(pool, instance.host_id)
    for name in (seed_name(instance), kernel_name(instance), initrd_name(instance)):
        driver.delete_artifact(name)


def _define(run: Run) -> None:
    """Define the domain so that it boots the installer, and ends where that reboots."""
    whole = load_whole(run)
    instance, (_, pool), install = whole.instance, whole.root, _request(run)
    driver, (kind, delivery) = run.storage(pool, instance.host_id), _answers(run)
    installer = Installer()
    if boots_kernel(install, kind):
        installer = Installer(
            kernel=driver.artifact_path(kernel_name(instance)),
            initrd=driver.artifact_path(initrd_name(instance)),
            cmdline=join_arguments(install, delivery),
        )
    seed = driver.artifact_path(seed_name(instance)) if delivery.volume else ""

    def change(plan: DomainPlan) -> DomainPlan:
        return dataclasses.replace(plan, seed=seed, installer=installer)

    parts.define(run, change)


def _await_end(run: Run) -> None:
    """Wait until the installer has ended, telling its console's last line; raises InstallFailed, DeadlineExceeded."""
    instance, within = parts.load_instance(run), _request(run).within_s
    link = run.link(instance.host_id)
    facts = next((each for each in link.hypervisor.list_domains() if each.uuid == instance.id), None)
    tail = _read_tail(run, instance)
    if facts is None or facts.state in parts.OFF:
        if facts is not None and facts.reason == "shutdown":
            return
        why = "its domain was removed" if facts is None else f"its power went ({facts.reason})"
        raise InstallFailed(f"The installer of {instance.name} did not end by itself: {why}.", console=tail[-_TOLD:])
    now, began = run.now(), run.operation.started_at or run.operation.created_at
    took = int((now - began).total_seconds())
    line = tail.splitlines()[-1][-200:] if tail else "nothing on its console yet"
    if took > within:
        raise DeadlineExceeded(
            f"The installer of {instance.name} did not end within {within} seconds. Its console's last line: {line}",
            hint="An installer that asks a question waits for ever: give it all answers, or more time.",
            console=tail[-_TOLD:],
        )
    run.control.progress(0, 0, line)
    raise Waiting(f"Installing since {took} s: {line}", now + POLL)


def _read_tail(run: Run, instance: Instance) -> str:
    try:
        data = run.link(instance.host_id).shell.read_file(console_log(instance), limit=_TAIL, tail=True)
    except NotFound:
        return ""
    lines = (_NOISE.sub("", each).strip() for each in data.decode("utf-8", "replace").replace("\r", "\n").splitlines())
    return "\n".join(filter(None, lines))


def _settle(run: Run) -> None:
    """Let the domain boot from its disk, without the installer's kernel, answers and CD."""
    parts.redefine(run, lambda xml: patch_installed(xml, settle(parts.load_instance(run).options)))


def _boot(run: Run) -> None:
    """Start what was installed: the instance's second run."""
    parts.power_on(run, run.args["incarnation"] + 1)


def _succeed(run: Run, tx: Tx) -> None:
    """The answers are not needed any more."""
    tx.secrets.delete(run.resource_id, f"instance.{ANSWERS}")
    instance = tx.instances.get(run.resource_id)
    installed = {"media": run.args["media"], "at": tx.now.isoformat()}
    tx.instances.update(instance.id, cd_image_id=None, hardware={**instance.hardware, "installed": installed})
    instance_create.INSTANCE_CREATE.succeed(run, tx)


INSTANCE_INSTALL = Workflow(
    name="instance_install_v1",
    title="Install an instance",
    steps=(
        Step("base", "Put the medium into the pool", parts.put_base),
        Step("volumes", "Make the volumes", parts.make_volumes, parts.remove_volumes),
        Step("ports", "Admit the network ports", parts.admit_ports, parts.remove_ports),
        Step("installer", "Put kernel and answers beside the disks", _bring_installer, _drop_installer),
        Step("define", "Define the domain", _define, parts.undefine),
        Step("start", "Start the installer", parts.power_on, parts.power_off),
        Step("install", "Wait until the installer ends", _await_end),
        Step("settle", "Boot from the disk from now on", _settle),
        Step("drop", "Remove kernel and answers", _drop_installer, parts.remove_artifacts),
        Step("boot", "Start what was installed", _boot, parts.power_off),
    ),
    succeed=_succeed,
    fail=instance_create.INSTANCE_CREATE.fail,
)
