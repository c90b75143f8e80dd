"""A SPICE viewer without a window: ``/usr/bin/python3 spice_viewer.py FILE.vv`` prints the first picture's size.

The client is spice-gtk's own library, which remote-viewer is made of (https://www.spice-space.org/api/spice-gtk).
"""

# mypy: ignore-errors

import configparser
import sys
import time

import gi

gi.require_version("SpiceClientGLib", "2.0")
from gi.repository import GLib, GObject, SpiceClientGLib  # noqa: E402 - needs the version

DEADLINE_S = 60


def main(path: str) -> int:
    """Connect as the file says, until a display's picture has come."""
    parser = configparser.ConfigParser()
    parser.read(path)
    told = parser["virt-viewer"]
    loop, size, begun = GLib.MainLoop(), [], time.monotonic()
    session = SpiceClientGLib.Session(host=told["host"], port=told["port"])

    def on_primary(_channel, _format, width, height, *_rest):
        size[:] = [width, height]

    def on_invalidate(*_where):
        loop.quit()

    def on_channel(_session, channel):
        if isinstance(channel, SpiceClientGLib.DisplayChannel):
            # ``connect`` of a channel is SPICE's, not GObject's.
            GObject.Object.connect(channel, "display-primary-create", on_primary)
            GObject.Object.connect(channel, "display-invalidate", on_invalidate)
            SpiceClientGLib.Channel.connect(channel)

    GObject.Object.connect(session, "channel-new", on_channel)
    GLib.timeout_add_seconds(DEADLINE_S, loop.quit)
    SpiceClientGLib.Session.connect(session)
    loop.run()
    if not size or time.monotonic() - begun >= DEADLINE_S:
        return 1
    print(told["type"], *size)
    session.disconnect()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
