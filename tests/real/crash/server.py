"""The worker and observer of a real cloud as a process that tests kill. Argument: the data directory."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from zcloud.base.config import Config, Observer, Workers
from zcloud.main.wiring import build, start_observer, start_workers
from zcloud.testing.faults import from_environment


def config_in(data: Path) -> Config:
    """Give the configuration that test and server share."""
    return Config(
        data_dir=data, workers=Workers(threads=4), observer=Observer(interval_s=1.0, readiness_interval_s=0.5)
    )


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    runtime = build(config_in(Path(sys.argv[1])))
    start_workers(runtime, "worker", from_environment())
    start_observer(runtime)
    print("ready", flush=True)
    sys.stdin.read()
    runtime.stop()


if __name__ == "__main__":
    main()
