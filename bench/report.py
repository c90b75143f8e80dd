"""docs/performance.md from the last results of every part, with the findings where a target is missed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.measure import ROOT, Figure, Part, kept, quantile

PATH = ROOT / "docs" / "performance.md"
FINDINGS = Path(__file__).with_name("findings.toml")
INTRO = """# Performance

Written by `python -m bench` (as root, from the virtual environment; `bench/` says what each figure is). Peers and
zcloud take turns in one run on one machine, so ratios mean more than absolute figures. A ratio is the median divided by
that of the first line. Every command is a whole process; CPU is user and system time together.
"""


def render(parts: Sequence[str]) -> str:
    """Give the document."""
    found = [each for each in map(kept, parts) if each is not None]
    findings: dict[str, str] = tomllib.loads(FINDINGS.read_text())
    lines = [INTRO, *_targets([part for part, _, _ in found], findings)]
    for part, when, facts in found:
        told = "; ".join(f"{name}: {value}" for name, value in facts.items())
        lines += [f"## {part.title}", "", part.about, "", f"Measured {when}. {told}.", ""]
        for figure in part.figures:
            lines += [*_table(figure), ""]
    return "\n".join(lines).rstrip() + "\n"


def write(parts: Sequence[str]) -> Path:
    """Write the document and give its path."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(render(parts))
    return PATH


def table(figure: Figure) -> str:
    """Give a figure as it is printed while measuring."""
    checks = [f"  {'met' if each.met else 'MISSED'}: {each.target} ({_number(each.value)})" for each in figure.checks]
    return "\n".join([*_table(figure), *checks])


def _targets(parts: Sequence[Part], findings: dict[str, str]) -> Iterator[str]:
    yield from ("## Targets", "", "| what | target | measured | |", "|---|---|---:|---|")
    missed = []
    for part in parts:
        for figure in part.figures:
            for check in figure.checks:
                verdict = "met" if check.met else "**missed**"
                yield f"| {part.title}: {figure.title} | {check.target} | {_number(check.value)} | {verdict} |"
                if not check.met:
                    missed.append((figure, check.target))
    yield ""
    if missed:
        yield from ("## What the missed ones cost", "")
        for figure, target in missed:
            yield f"- {figure.title} ({target}): {findings.get(figure.key, 'not profiled yet')}"
        yield ""


def _table(figure: Figure) -> Iterator[str]:
    yield f"### {figure.title} ({figure.unit})"
    yield ""
    yield "| | median | min | p95 | max | n | ratio |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    first = median(next(iter(figure.series.values())))
    for name, values in figure.series.items():
        middle = median(values)
        numbers = (middle, min(values), quantile(values, 0.95), max(values))
        told = " | ".join(_number(each) for each in numbers)
        yield f"| {name} | {told} | {len(values)} | {_number(middle / first) if first else '-'} |"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
