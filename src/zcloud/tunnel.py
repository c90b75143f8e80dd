"""Consoles over a websocket, serial or a screen's: ``GET /v1/console?ticket=...``, binary frames both ways.

The ticket lets in, once. The tunnel ends when the guest's console ends, when the instance is stopped or started anew,
when the session ends or the member loses the role, or when the server stops. Pings are the server's (uvicorn).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from zcloud.domain.errors import InUse, InvalidInput, Kind, ZcloudError
from zcloud.domain.people import Ticket
from zcloud.ports import ConsoleStream
from zcloud.services.tickets import Grant, Tickets

OpenConsole = Callable[[Grant, bool], ConsoleStream]  # what the ticket allows, force; blocks; raises InUse

MAX_FRAME = 64 << 10
MAX_CONSOLES = 256
_CHECK_S = 2.0
_MAX_TICKET = 200
# Close codes (RFC 6455, 7.4): 4000 and up are an application's own; ours are 4000 + the HTTP status.
_CODES = {
    Kind.INVALID: 4400,
    Kind.UNAUTHENTICATED: 4401,
    Kind.FORBIDDEN: 4403,
    Kind.MISSING: 4404,
    Kind.CONFLICT: 4409,
    Kind.UNAVAILABLE: 4503,
}
_INTERNAL, _NORMAL, _GOING_AWAY, _TOO_BIG, _NO_TEXT = 1011, 1000, 1001, 1009, 1003


@dataclass(slots=True)
class Tunnel:
    """What every console connection is given. Threads of their own keep slow guests away from other requests."""

    tickets: Tickets
    open_console: OpenConsole
    origins: tuple[str, ...] = ()  # more names that a browser may come from than the one it asked for
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _readers: CapacityLimiter | None = None
    _writers: CapacityLimiter | None = None

    def route(self) -> WebSocketRoute:
        """Give the route of the console's websocket."""
        return WebSocketRoute("/v1/console", self.serve, name="console")

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection from its ticket to its end."""
        if not _is_own_origin(socket, self.origins):
            await socket.close()  # before it is accepted: answered 403
            return
        await socket.accept()
        stream: ConsoleStream | None = None
        try:
            ticket, stream = await self._open(socket)
            code, reason = await self._bridge(socket, stream, ticket)
        except ZcloudError as error:
            code, reason = _CODES.get(error.kind, _INTERNAL), f"{error.code}: {error.message}"
        finally:
            if stream is not None:
                await to_thread.run_sync(stream.close)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(code, _bounded(reason))

    async def _open(self, socket: WebSocket) -> tuple[Ticket, ConsoleStream]:
        secret, force = socket.query_params.get("ticket", ""), socket.query_params.get("force") == "true"
        if not 0 < len(secret) <= _MAX_TICKET or not secret.isascii():
            raise InvalidInput("The address has no ticket.")
        grant = await to_thread.run_sync(self.tickets.redeem, secret)
        if self._readers is None or self._writers is None:
            self._readers, self._writers = CapacityLimiter(MAX_CONSOLES), CapacityLimiter(MAX_CONSOLES)
        if self._readers.available_tokens < 1:
            raise InUse(f"{MAX_CONSOLES} consoles are open already.")
        stream = await to_thread.run_sync(self.open_console, grant, force)
        return grant.ticket, stream

    async def _bridge(self, socket: WebSocket, stream: ConsoleStream, ticket: Ticket) -> tuple[int, str]:
        """Carry bytes until one side ends; give the close code and its reason."""
        tasks = [
            asyncio.create_task(self._to_client(socket, stream)),
            asyncio.create_task(self._to_guest(socket, stream)),
            asyncio.create_task(self._watch(ticket)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return await done.pop()
        finally:
            await to_thread.run_sync(stream.close)  # wakes the reader
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _to_client(self, socket: WebSocket, stream: ConsoleStream) -> tuple[int, str]:
        while data := await to_thread.run_sync(stream.read, MAX_FRAME, limiter=self._readers):
            await socket.send_bytes(data)  # waits while the client is slow, and so does the guest's console
        return _NORMAL, "The console has ended."

    async def _to_guest(self, socket: WebSocket, stream: ConsoleStream) -> tuple[int, str]:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return _NORMAL, ""
            data = message.get("bytes")
            if data is None:
                return _NO_TEXT, "Only binary frames are taken."
            if len(data) > MAX_FRAME:
                return _TOO_BIG, f"A frame has at most {MAX_FRAME} bytes."
            await to_thread.run_sync(stream.write, data, limiter=self._writers)

    async def _watch(self, ticket: Ticket) -> tuple[int, str]:
        """End when the ticket's session or run of the instance ends (raises why), or the server stops."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self.closing.wait()
                return _GOING_AWAY, "The server stops."
            await to_thread.run_sync(self.tickets.check, ticket)


def _is_own_origin(socket: WebSocket, others: tuple[str, ...]) -> bool:
    """Say whether a browser's page is our own; other clients send no Origin."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc.lower() in (socket.headers.get("host", "").lower(), *others)


def _bounded(reason: str) -> str:
    """Cut a reason to the 123 bytes that a close frame has for it."""
    return reason.encode()[:123].decode("utf-8", "ignore")
