"""The system on an instance's root disk changed while nobody runs it: a script of ours within it, by libguestfs."""

from __future__ import annotations

from zcloud.domain.errors import CommandFailed, GuestRefused
from zcloud.drivers.guest import guestfs
from zcloud.drivers.passage import qemu_identity
from zcloud.ports import Shell
from zcloud.workflows.context import Run, Whole

_QUICK_S, _LONG_S = 300.0, 1800.0


def script_name(whole: Whole) -> str:
    """Give the artifact that the script is, as long as it runs."""
    return f"{whole.instance.id}.offline.sh"


def customize(run: Run, whole: Whole, script: bytes) -> str:
    """Run a script within the system; gives what it said. Raises GuestRefused, ToolMissing.

    The script is removed again, whatever became of it: there may be secrets in it.
    """
    volume, pool = whole.root
    host = run.read(lambda tx: tx.hosts.get(whole.instance.host_id))
    link, home = run.link(host.id), run.storage(whole.home, host.id)
    disk = run.storage(pool, host.id).disk_source(whole.volume_spec(volume))
    who = qemu_identity(link.hypervisor.capabilities_xml())
    place = guestfs.appliance(link.shell.run(guestfs.VERSION, check=False).stdout)
    if link.shell.run(guestfs.look_argv(place), check=False).code:
        run.control.progress(0, 0, "Preparing libguestfs on the host, once for its version")
        link.shell.run_all(guestfs.make_argvs(place, host.accel), timeout_s=_QUICK_S)
    path = home.ensure_artifact(script_name(whole), script)
    try:
        link.shell.run(["chown", f"{who.uid}:{who.gid}", "--", disk.path])
        return _run(link.shell, guestfs.run_argv(place, host.accel, who, disk, path), whole.instance.name)
    finally:
        home.delete_artifact(script_name(whole))


def _run(shell: Shell, argv: list[str], name: str) -> str:
    try:
        return guestfs.said(shell.run(argv, timeout_s=_LONG_S).stdout)
    except CommandFailed as error:
        raise GuestRefused(
            f"The system on the disk of {name} could not be changed: {guestfs.said(error.message.encode())}",
            hint="Only Linux systems with a shell can be; a command of yours may have failed.",
        ) from error
