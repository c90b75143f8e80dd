"""The command line: ``zcloud``. It installs and runs without the server."""

from zcloud.cli.app import main

__all__ = ["main"]
