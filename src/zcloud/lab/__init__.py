"""Real parts for tests and the demo: a tiny guest, a probe kit, and hosts made of namespaces.

Nothing here is needed to run zcloud in production except the probe kit, which host preparation uses to
find out whether KVM works. Everything is built from the distribution's own packages, unpacked and never
installed, and cached below ``DEFAULT_CACHE``.
"""
