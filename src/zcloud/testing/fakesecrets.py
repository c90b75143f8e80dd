"""The secrets half of a libvirt in memory."""

from __future__ import annotations

from typing import Protocol


class _Entered(Protocol):
    secrets: dict[str, bytes]

    def enter(self, verb: str) -> None: ...


class FakeSecrets:
    """``secrets`` has the values by uuid."""

    secrets: dict[str, bytes]

    def has_secret(self: _Entered, uuid: str) -> bool:
        """Say whether there is one of that uuid."""
        self.enter("has_secret")
        return uuid in self.secrets

    def keep_secret(self: _Entered, uuid: str, kind: str, name: str, value: bytes) -> None:  # noqa: ARG002
        """Keep a value."""
        self.enter("keep_secret")
        self.secrets[uuid] = value

    def drop_secret(self: _Entered, uuid: str) -> None:
        """Forget a value; absent is fine."""
        self.enter("drop_secret")
        self.secrets.pop(uuid, None)
