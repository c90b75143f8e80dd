"""How much a command of zcloud's costs to start, beside those of its peers."""

from __future__ import annotations

from statistics import median

from bench.fill import fill
from bench.measure import MS, Figure, Part, alternate, at_most, command
from bench.served import over_fakes, served

ABOUT = "Whole processes, one after the other; the server has ten instances and answers over TLS."


def measure(rounds: int) -> Part:
    """Measure cold starts."""
    with served(over_fakes("--role", "api"), fill=lambda config: fill(config, 10)) as server:
        costs = alternate(
            {
                "zcloud --version": lambda: server.cli("--version"),
                "zcloud list": lambda: server.cli("list"),
                "virsh --version": lambda: command(["virsh", "--version"]),
                "virt-install --version": lambda: command(["virt-install", "--version"]),
            },
            rounds,
        )
    cpu = {name: [each.cpu * MS for each in values] for name, values in costs.items()}
    wall = {name: [each.wall * MS for each in values] for name, values in costs.items()}
    checks = [
        at_most("`zcloud list` at most 80 ms CPU", median(cpu["zcloud list"]), 80),
        at_most("`zcloud --version` at most 80 ms CPU", median(cpu["zcloud --version"]), 80),
    ]
    return Part(
        "cli",
        "Starting the command line",
        ABOUT,
        [
            Figure("cli.cpu", "CPU of a whole command", "ms", cpu, checks),
            Figure("cli.wall", "Time of a whole command", "ms", wall),
        ],
    )
