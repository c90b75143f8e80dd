"""A host's boots: seen by the name that its kernel gives each, and what ran before is noted to run again."""

from __future__ import annotations

from zcloud.domain.boot import comes_back
from zcloud.domain.host import Host
from zcloud.domain.instance import InstanceStatus
from zcloud.ports import HostLink
from zcloud.store import Store, Tx

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def read_boot(link: HostLink) -> str:
    """Give the name of the boot that a host is in, empty where it does not tell; raises HostUnreachable."""
    return link.shell.run(["cat", BOOT_ID], check=False).stdout.decode(errors="replace").strip()


def note_boot(store: Store, host_id: str, link: HostLink) -> None:
    """Record which boot a host is in.

    To be called before the host's guests are looked at: where it is another boot, what the records say of them is what
    was so before. Raises HostUnreachable.
    """
    boot_id = read_boot(link)
    with store.read() as tx:
        known = tx.hosts.get(host_id).boot_id
    if boot_id and boot_id != known:
        store.transact(lambda tx: _record(tx, tx.hosts.get(host_id), boot_id))


def settle(store: Store, host_id: str) -> None:
    """Take the note off what runs by itself after the boot; to be called once the guests have been looked at."""

    def work(tx: Tx) -> None:
        boot_id = tx.hosts.get(host_id).boot_id
        for each in tx.instances.on_host(host_id):
            runs = each.status is InstanceStatus.RUNNING and each.operation_id is None
            if runs and each.down_with not in ("", boot_id):
                tx.instances.update(each.id, down_with="")

    store.transact(work)


def _record(tx: Tx, host: Host, boot_id: str) -> None:
    if host.boot_id == boot_id:
        return
    tx.hosts.update(host.id, boot_id=boot_id)
    if not host.boot_id:
        return
    back = [each for each in tx.instances.on_host(host.id) if comes_back(each)]
    for instance in back:
        tx.instances.update(instance.id, down_with=host.boot_id)
    tx.events.add(
        "host.booted",
        resource_kind="host",
        resource_id=host.id,
        resource_name=host.name,
        message=f"{host.name} was booted; {len(back)} of its instances ran before and are to run again.",
        data={},
    )
