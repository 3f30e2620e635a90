"""Measures the extension and its peers: ``python -m tests.benchmarks [WORKLOAD ...]``.

Each workload is run in turn by every peer, on projects made for it, after one run that isn't counted; printed are
medians with the least and the most. "Overhead" is what a peer costs above the same application running a command that
does nothing, and "times less" compares overheads with those of the first peer. Figures of whole processes, as the
operating system accounts for them; with ``--instructions`` what callgrind counts, which a busy machine doesn't change.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
import tempfile
import typing as t

from ..support import databases
from . import processes
from .peers import FLOOR
from .peers import Peer
from .peers import PEERS
from .processes import Measured
from .workloads import Bench
from .workloads import Workload
from .workloads import WORKLOADS

FIGURES = ("cpu", "wall", "memory", "instructions")


def main() -> None:
    """Measure what the command line names, print a table and write JSON."""
    options = _parse()
    report: list[dict[str, t.Any]] = []
    peers = [PEERS[name] for name in options.peer] or list(PEERS.values())
    print(f"Python {platform.python_version()} on {platform.machine()}; CPU and wall in ms, memory in MB")
    for name in options.workload or WORKLOADS:
        workload = WORKLOADS[name]
        for size in options.size or workload.sizes:
            found = measure(workload, size, [FLOOR, *peers], options.rounds or workload.rounds, options.instructions)
            report += show(f"{name}, {size}" if size else name, found, peers)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("workload", nargs="*", help="default: all; " + "; ".join(WORKLOADS))
    parser.add_argument("--peer", action="append", default=[], choices=PEERS, help="may be given several times")
    parser.add_argument("--rounds", type=int, help="how often each command is run")
    parser.add_argument("--size", type=int, action="append", help="how many revisions or tables")
    parser.add_argument("--instructions", action="store_true", help="count instructions too, with callgrind")
    parser.add_argument("--json", type=pathlib.Path, help="a file for the figures")
    options = parser.parse_args()
    for name in set(options.workload) - set(WORKLOADS):
        parser.error(f"there is no workload {name!r}")
    if options.instructions and not processes.have_callgrind():
        parser.error("--instructions needs valgrind")
    return options


def measure(
    workload: Workload, size: int, peers: t.Sequence[Peer], rounds: int, instructions: bool = False
) -> dict[str, Measured]:
    """Run a workload for all peers in turn, so that a machine that slows down does so for each of them."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name).resolve()
        benches = {peer.name: workload.make(root / str(number), peer, size) for number, peer in enumerate(peers)}
        try:
            return _measured(benches, rounds, instructions)
        finally:
            for bench in benches.values():
                if bench.url:
                    databases.drop(bench.url)


def _measured(benches: dict[str, Bench], rounds: int, instructions: bool) -> dict[str, Measured]:
    found = {name: Measured() for name in benches}
    for number in range(rounds + 1):
        for name, bench in benches.items():
            bench.reset()
            processes.run(bench.command, bench.folder, found[name] if number else Measured())
    for name, bench in benches.items() if instructions else ():
        bench.reset()
        processes.count_instructions(bench.command, bench.folder, found[name])
    return found


def show(title: str, found: dict[str, Measured], peers: t.Sequence[Peer]) -> list[dict[str, t.Any]]:
    """Print the figures of one workload, and return them as plain values."""
    print(f"\n{title}")
    first = found[peers[0].name]
    rows: list[dict[str, t.Any]] = []
    for name, measured in found.items():
        row: dict[str, t.Any] = {"workload": title, "peer": name}
        cells = []
        for figure in FIGURES:
            if getattr(measured, figure) is None:
                continue
            low, high = measured.spread(figure)
            factor = 1000 if figure in ("cpu", "wall") else 1
            row[figure] = [low * factor, measured.median(figure) * factor, high * factor]
            cells.append(f"{figure} {row[figure][1]:8.1f} [{row[figure][0]:.1f}, {row[figure][2]:.1f}]")
            if measured is not found[FLOOR.name] and measured is not first and figure != "memory":
                row[f"{figure} overhead, times"] = ratio = _ratio(measured, first, found[FLOOR.name], figure)
                row[f"{figure} of the process, times"] = measured.median(figure) / first.median(figure)
                cells[-1] += f" overhead x {ratio:.1f}, process x {row[f'{figure} of the process, times']:.2f}"
        print(f"  {name:18} " + "\n                     ".join(cells))
        rows.append(row)
    return rows


def _ratio(measured: Measured, first: Measured, floor: Measured, figure: str) -> float:
    """How many times as much overhead as the first peer's; infinite where that has none that can be measured."""
    ours = first.median(figure) - floor.median(figure)
    theirs = measured.median(figure) - floor.median(figure)
    return theirs / ours if ours > 0 else float("inf")


if __name__ == "__main__":
    main()
