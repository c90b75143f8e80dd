"""What zcloud uses of libvirt's QEMU-specific Python binding."""

# ruff: noqa: N802 - libvirt's own names

from libvirt import virDomain

def qemuAgentCommand(domain: virDomain, cmd: str, timeout: int, flags: int) -> str: ...
def qemuMonitorCommand(domain: virDomain, cmd: str, flags: int) -> str: ...
