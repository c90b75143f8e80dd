"""libvirt's event loop: one daemon thread per process, which libvirt wants before the first connection.

https://libvirt.org/html/libvirt-libvirt-event.html#virEventRegisterDefaultImpl
"""

from __future__ import annotations

import functools
import threading

import libvirt


@functools.cache
def ensure_running() -> threading.Thread:
    """Start the loop unless it runs; libvirt's own printing of errors to standard error is turned off."""
    libvirt.registerErrorHandler(_ignore, None)
    libvirt.virEventRegisterDefaultImpl()
    thread = threading.Thread(target=_turn, name="libvirt-events", daemon=True)
    thread.start()
    return thread


def _turn() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _ignore(_context: object, _error: object) -> None:
    """Swallow what libvirt would print; every error is raised as an exception too."""
