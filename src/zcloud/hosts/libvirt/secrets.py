"""The part of ``ports.Hypervisor`` that keeps secrets (https://libvirt.org/formatsecret.html)."""

from __future__ import annotations

import libvirt

from zcloud.hosts.libvirt.connection import Connection
from zcloud.libvirtxml.secret import Secret


class Secrets:
    """Calls on the jobs connection; a value goes to libvirt by its API and is in no file of ours."""

    _jobs: Connection

    def has_secret(self, uuid: str) -> bool:
        """Say whether libvirt keeps a secret of that uuid."""
        return self._jobs.call(lambda raw: _find(raw, uuid) is not None)

    def keep_secret(self, uuid: str, kind: str, name: str, value: bytes) -> None:
        """Define a secret, private and lasting, and set its value."""
        secret = Secret.create()
        secret.ephemeral, secret.private, secret.uuid, secret.usage = False, True, uuid, kind
        if kind == "iscsi":
            secret.target = name
        else:
            secret.name = name
        xml = secret.to_xml()
        self._jobs.call(lambda raw: raw.secretDefineXML(xml, 0).setValue(value, 0))

    def drop_secret(self, uuid: str) -> None:
        """Forget a secret; absent is fine."""

        def work(raw: libvirt.virConnect) -> None:
            found = _find(raw, uuid)
            if found is not None:
                found.undefine()

        self._jobs.call(work)


def _find(raw: libvirt.virConnect, uuid: str) -> libvirt.virSecret | None:
    try:
        return raw.secretLookupByUUIDString(uuid)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SECRET:
            return None
        raise
