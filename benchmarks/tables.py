"""Write the figures of `benchmarks/results/` into docs and README: python -m benchmarks.tables.

Between `<!-- figures: NAME -->` and `<!-- end of figures -->` stands what this file makes of the
newest results of each machine, the newest of all first; a test holds the pages against it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "docs/benchmarks.md")
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n)(.*?)(<!-- end of figures -->)", re.S)
HEADLINE = "ResNet50, PNG of 256 pixels"
PRICE = 0.05
"""US dollars a core hour: what clouds ask for a general-purpose virtual core, roughly."""
Results = dict[str, Any]
"""Of one machine and day."""
COLUMNS = {
    "recipe": "recipe",
    "predict_batch": "`predict_batch_udf`",
    "keras_process": "one Keras process",
    "engine_process": "one engine process",
}


def newest() -> list[Results]:
    """Read the newest results of each machine, the newest of all first."""
    found = dict[str, Results]()
    for path in sorted(RESULTS.glob("*.json"), reverse=True):
        results: Results = json.loads(path.read_text())
        found.setdefault(results["machine"]["processor"], results)
    return list(found.values())


def vectors(machines: Sequence[Results]) -> str:
    """Draw the tables of films a second beside the usual ways."""
    return "\n".join(map(_vectors, machines))


def _vectors(results: Results) -> str:
    names = [name for name in COLUMNS if any(name in row["ratios"] for row in results["rows"])]
    head = [
        "films/s, medians",
        "films",
        "in",
        "**spark_cxr**",
        *(COLUMNS[n] for n in names),
        "limit",
    ]
    lines = [_line(head), "|---|---|---|" + "---|" * (len(names) + 2)]
    for row in results["rows"]:
        rates = {name: each["median"] for name, each in row["contestants"].items()}
        peers = [f"{rates[n]:.3g} ({row['ratios'][n]:.1f} x)" if n in rates else "" for n in names]
        limit = f"{row['limit']:.0f} ({row['share_of_limit']:.2f})" if row["limit"] else ""
        mine = f"**{rates['product']:.3g}**"
        films = f"{row['images']:,}"
        lines.append(_line([row["name"], films, row["used"]["precision"], mine, *peers, limit]))
    return "\n".join(["", *lines, "", _machine(results), ""])


def cost(machines: Sequence[Results]) -> str:
    """Draw what a film takes, and what a million films cost."""
    return "\n".join(map(_cost, machines))


def _cost(results: Results) -> str:
    steps = ("decoding", "prints", "resizing", "engine", "spark", "rest")
    head = ["core milliseconds a film", "all", *steps, "core hours a million films", "US dollars"]
    lines = [_line(head), "|---" * len(head) + "|"]
    for row in results["rows"]:
        spent = row["core_milliseconds_of_a_film"]
        if not spent:
            continue
        hours = spent["all"] * 1e6 / 1000 / 3600
        each = [f"{spent.get(step, 0):.1f}" for step in ("all", *steps)]
        lines.append(_line([row["name"], *each, f"{hours:.1f}", f"{hours * PRICE:.2f}"]))
    return "\n".join(["", *lines, "", _machine(results), ""])


def headline(machines: Sequence[Results]) -> str:
    """Say the speed on the newest machine in a sentence."""
    results = machines[0]
    rows = {row["name"]: row for row in results["rows"]}
    plain, short = rows[HEADLINE], rows[f"{HEADLINE}, int8"]
    rates = [row["contestants"]["product"]["median"] for row in (plain, short)]
    times = [row["ratios"]["recipe"] for row in (plain, short)]
    machine, precision = results["machine"], plain["used"]["precision"]
    return (
        f"Speed: {rates[0]:.0f} films/s from PNG files to vectors with ResNet50 in {precision}, "
        f"{times[0]:.1f} times\nDatabricks' reference recipe in the same run, and {rates[1]:.0f} "
        f"in int8, {times[1]:.1f} times ({plain['images']:,} drawn films\nof 256 pixels, "
        f"{machine['cores']} cores of {machine['processor']}).\n"
    )


MADE: dict[str, Callable[[Sequence[Results]], str]] = {
    "vectors": vectors,
    "cost": cost,
    "headline": headline,
}


def rendered(text: str, machines: Sequence[Results]) -> str:
    """Give a page with the figures of these results."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}{MADE[found[2]](machines)}{found[4]}"

    return BLOCK.sub(block, text)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _machine(results: Results) -> str:
    machine, versions = results["machine"], results["versions"]
    able = ", ".join(machine["instructions"])
    return (
        f"{results['date']}, {machine['cores']} cores of {machine['processor']} ({able}), "
        f"PySpark {versions['pyspark']}, OpenVINO {versions['openvino']}."
    )


def main() -> None:
    """Write the figures into the pages."""
    machines = newest()
    for name in PAGES:
        page = ROOT / name
        page.write_text(rendered(page.read_text(), machines))


if __name__ == "__main__":
    main()
