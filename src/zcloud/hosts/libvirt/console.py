"""A guest's serial console as a blocking two-way byte stream.

libvirt's stream is used without blocking, driven by its event loop, so that ``close`` in one thread always wakes a
``read`` in another (https://libvirt.org/html/libvirt-libvirt-stream.html). The bytes are the guest's: hostile.
"""

from __future__ import annotations

import contextlib
import threading

import libvirt

from zcloud.domain.errors import HostUnreachable

_BUFFER = 256 << 10
_PIECE = 64 << 10
_ENDED = libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
_WRITE_WAIT_S = 10.0


class LibvirtConsole:
    """An open console (``ports.ConsoleStream``). A reader that is slow makes libvirt wait, not us grow."""

    def __init__(self, stream: libvirt.virStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._open = True
        self._changed = threading.Condition()
        stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE | _ENDED, self._on_event, None)

    def read(self, limit: int = 65536) -> bytes:
        """Block until bytes are there; empty at the end."""
        with self._changed:
            while not self._buffer and self._open:
                self._changed.wait()
            data = bytes(self._buffer[:limit])
            del self._buffer[:limit]
            if self._open:
                self._listen(libvirt.VIR_STREAM_EVENT_READABLE | _ENDED)
        return data

    def write(self, data: bytes) -> None:
        """Send bytes; raises HostUnreachable when the console has ended."""
        view = memoryview(data)
        while view:
            with self._changed:
                sent = self._send(bytes(view[:_PIECE]))
                if sent == 0 and not self._changed.wait(_WRITE_WAIT_S):
                    raise HostUnreachable("The console takes no more input.")
            view = view[sent:]

    def close(self) -> None:
        """Give the console up; a reader gets the end."""
        with self._changed:
            if not self._open:
                return
            self._end()
        with contextlib.suppress(libvirt.libvirtError):
            self._stream.abort()  # outside the lock: it waits for libvirtd, and the event thread must not wait for it

    def end(self) -> None:
        """Learn that the connection is gone; a reader gets the end."""
        with self._changed:
            self._end()

    def _send(self, data: bytes) -> int:
        if not self._open:
            raise HostUnreachable("The console has ended.")
        try:
            sent = self._stream.send(data)
        except libvirt.libvirtError as error:
            self._end()
            raise HostUnreachable(f"The console has ended: {error.get_error_message()}.") from error
        if sent < 0:  # it would block
            self._listen(libvirt.VIR_STREAM_EVENT_READABLE | libvirt.VIR_STREAM_EVENT_WRITABLE | _ENDED)
            return 0
        return sent

    def _on_event(self, _stream: libvirt.virStream, events: int, _opaque: object) -> None:
        """Take what is there; called in libvirt's event thread."""
        with self._changed:
            if not self._open:
                return
            if events & libvirt.VIR_STREAM_EVENT_READABLE:
                self._take()
            if self._open and events & _ENDED:
                self._end()
            if self._open:
                self._listen((libvirt.VIR_STREAM_EVENT_READABLE if len(self._buffer) < _BUFFER else 0) | _ENDED)
            self._changed.notify_all()

    def _take(self) -> None:
        try:
            data = self._stream.recv(_PIECE)
        except libvirt.libvirtError:
            self._end()
            return
        if isinstance(data, int):  # it would block
            return
        if data:
            self._buffer += data
        else:
            self._end()

    def _listen(self, events: int) -> None:
        with contextlib.suppress(libvirt.libvirtError):
            self._stream.eventUpdateCallback(events)

    def _end(self) -> None:
        self._open = False
        with contextlib.suppress(libvirt.libvirtError):
            self._stream.eventRemoveCallback()
        self._changed.notify_all()
