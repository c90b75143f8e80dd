"""The secrets that one host's libvirt keeps, with which QEMU signs in to storage on the network."""

from __future__ import annotations

from typing import Protocol


class SecretControl(Protocol):
    """libvirt's secrets, named by uuid. Raises HypervisorFailed, HostUnreachable."""

    def has_secret(self, uuid: str) -> bool:
        """Say whether libvirt keeps a secret of that uuid."""
        ...

    def keep_secret(self, uuid: str, kind: str, name: str, value: bytes) -> None:
        """Have a secret for ``kind`` (``ceph``, ``iscsi``), with ``value`` in place of the one before.

        libvirt shows it to nobody and keeps it over a boot. ``name`` tells people what it is for.
        """
        ...

    def drop_secret(self, uuid: str) -> None:
        """Forget a secret; absent is fine."""
        ...
