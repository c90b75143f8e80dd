"""The fake libvirt's holding, resetting, saving and restoring of domains (``ports.PowerControl``).

A fake guest's memory is the number of its boot (``FakeDomain.memory``): a reset counts on, a save keeps it.
"""

from __future__ import annotations

import json
import posixpath
from typing import Any

from zcloud.domain.errors import HypervisorFailed
from zcloud.ports import DomainState
from zcloud.testing.fakedevices import OFF
from zcloud.testing.fakedisk import FakeDisk, FakeError
from zcloud.testing.fakedomains import FakeDomain, FakeDomains


class FakePower(FakeDomains):
    """``disk`` is the host's, where saved memory is written to."""

    disk: FakeDisk

    def suspend(self, uuid: str) -> None:
        """Hold a running domain; held already is fine."""
        self.enter("suspend")
        domain = self._active(uuid)
        if domain.state is not DomainState.PAUSED:
            self._change(domain, DomainState.PAUSED, "user", "suspended:paused")

    def reset(self, uuid: str) -> None:
        """Boot the guest again in the same run."""
        self.enter("reset")
        domain = self._active(uuid)
        domain.boots += 1
        domain.memory = domain.boots
        self._tell(domain, "reboot", "", "")

    def save(self, uuid: str, path: str) -> None:
        """Write the memory and take the power; done already is fine."""
        self.enter("save")
        domain = self._domain(uuid)
        if domain.state in OFF:
            if self._image(path) is None:
                raise HypervisorFailed(f"libvirt: domain '{domain.name}' is not running.")
            return
        self._write_memory(domain, path)
        self._change(domain, DomainState.SHUTOFF, "saved", "stopped:saved")

    def snapshot_memory(self, uuid: str, path: str) -> None:
        """Write the memory of a held domain."""
        self.enter("snapshot_memory")
        domain = self._active(uuid)
        if domain.state is not DomainState.PAUSED:
            raise HypervisorFailed("A fake domain's memory is only written while it is held.")
        self._write_memory(domain, path)
        domain.migrated = True

    def abort_memory(self, uuid: str) -> None:
        """Do nothing: no memory is written for long."""
        self.enter("abort_memory")
        self._domain(uuid)

    def restore(self, uuid: str, path: str, xml: str, *, held: bool = True) -> None:
        """Let a domain go on from its saved memory; on already is fine."""
        self.enter("restore")
        domain, image = self._domain(uuid), self._image(path)
        if domain.state not in OFF:
            return
        if image is None or image["uuid"] != uuid or uuid not in xml:
            raise HypervisorFailed(f"libvirt: failed to read the saved image '{path}'.")
        domain.starts += 1
        domain.migrated = False
        domain.memory = int(image["memory"])
        self._change(domain, DomainState.RUNNING, "restored", "started:restored")
        if image["held"] and held:
            self._change(domain, DomainState.PAUSED, "migration", "suspended:restored")

    def saved_xml(self, path: str) -> str | None:
        """Give the XML in a file of saved memory, or None."""
        self.enter("saved_xml")
        image = self._image(path)
        return None if image is None else str(image["xml"])

    def _write_memory(self, domain: FakeDomain, path: str) -> None:
        held = domain.state is DomainState.PAUSED
        image = {"uuid": domain.uuid, "memory": domain.memory, "xml": domain.xml, "held": held}
        try:
            self.disk.directory(posixpath.dirname(path))
            self.disk.write(path, json.dumps(image).encode(), 0o600)
        except FakeError as error:
            raise HypervisorFailed(f"libvirt: {error}.") from error

    def _image(self, path: str) -> dict[str, Any] | None:
        file = self.disk.files.get(path)
        image: dict[str, Any] | None = json.loads(file.data) if file else None
        return image

    def _active(self, uuid: str) -> FakeDomain:
        domain = self._domain(uuid)
        if domain.state in OFF:
            raise HypervisorFailed(f"libvirt: domain '{domain.name}' is not running.")
        return domain
