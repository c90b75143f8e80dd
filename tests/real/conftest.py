"""Real parts for every real test: tiny guests, the probe kit, namespace hosts."""

from zcloud.lab.fixtures import kvm_works, lab_host, probe_kit, tiny_image, two_hosts

__all__ = ["kvm_works", "lab_host", "probe_kit", "tiny_image", "two_hosts"]
