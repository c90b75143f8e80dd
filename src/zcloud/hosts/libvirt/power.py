"""The part of ``ports.Hypervisor`` that holds, resets, saves and restores domains (``ports.PowerControl``).

https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainSaveFlags: libvirt marks a file of saved memory as whole
when all of it is written, so a half-written one is never taken for one that can be restored.
"""

from __future__ import annotations

import libvirt

from zcloud.hosts.libvirt.domains import Domains, find_domain, is_active, unless

_UNREADABLE = frozenset({libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_NO_DOMAIN})


class Power(Domains):
    """Calls on the jobs connection; each finds what is done already fine."""

    def suspend(self, uuid: str) -> None:
        """Hold a running domain; held already is fine."""
        self._on(uuid, lambda domain: unless(_is_held, domain, domain.suspend))

    def reset(self, uuid: str) -> None:
        """Press the reset button."""
        self._on(uuid, lambda domain: domain.reset(0))

    def save(self, uuid: str, path: str) -> None:
        """Write the domain's memory to a file and take its power; done already is fine."""

        def work(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            try:
                domain.saveFlags(path, None, 0)
            except libvirt.libvirtError:
                if is_active(domain):
                    raise
                raw.saveImageGetXMLDesc(path, 0)  # off, with the file whole: saved before

        self._jobs.call(work)

    def restore(self, uuid: str, path: str, xml: str, *, held: bool = True) -> None:
        """Let a domain go on from its saved memory; on already is fine."""
        flags = 0 if held else libvirt.VIR_DOMAIN_SAVE_RUNNING

        def work(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            if not is_active(domain):
                unless(is_active, domain, lambda: raw.restoreFlags(path, xml, flags))

        self._jobs.call(work)

    def saved_xml(self, path: str) -> str | None:
        """Give the XML of the domain in a file of saved memory, whole as libvirt needs it back, or None."""

        def read(raw: libvirt.virConnect) -> str | None:
            try:
                return raw.saveImageGetXMLDesc(path, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
            except libvirt.libvirtError as error:
                if error.get_error_code() in _UNREADABLE:
                    return None
                raise

        return self._jobs.call(read)


def _is_held(domain: libvirt.virDomain) -> bool:
    return bool(domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED)
