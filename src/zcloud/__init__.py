"""zcloud: a private cloud on KVM and libvirt for one to a hundred Linux servers."""

__version__ = "0.1.0"
