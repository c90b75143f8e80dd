"""The child process that reads hostile bytes, and how it confines itself.

A package of its own, and a light one: what the child imports is in its address space when it meets a hostile file.
``hosts/inspect.py`` starts it as ``python -m zcloud.confined REQUEST``.
"""

REFUSED = 3
"""Exit code: the file is refused; the answer says why."""

UNCONFINED = 4
"""Exit code: this machine lacks a layer of the confinement, so nothing was read."""
