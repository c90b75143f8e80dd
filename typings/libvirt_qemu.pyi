"""What zcloud uses of libvirt's QEMU-specific Python binding."""

from libvirt import virDomain

def qemuAgentCommand(domain: virDomain, cmd: str, timeout: int, flags: int) -> str: ...
