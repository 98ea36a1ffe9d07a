"""docs/benchmarks.md: its tables are written between markers, from the csv files in benchmarks/results.

Run: python -m benchmarks.page        (after any benchmark; `benchmarks.bvp` writes its own tables as well)
"""

from __future__ import annotations

import csv
import re
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
TABLES = {
    "growth": "growth.csv",
    "mesh_growth": "mesh_growth.csv",
    "assembly": "assembly.csv",
    "startup": "startup.csv",
}


def main() -> None:
    for name, file in TABLES.items():
        if (RESULTS / file).exists():
            fill(name, from_csv(RESULTS / file))


def fill(name: str, table: str) -> None:
    """Replace what stands between ``<!-- name: … -->`` and ``<!-- end -->``."""
    pattern = rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)"
    text = PAGE.read_text()
    if not re.search(pattern, text, flags=re.S):
        raise ValueError(f"name: no marker {name!r} in {PAGE}")
    PAGE.write_text(re.sub(pattern, partial(_filled, table), text, flags=re.S))


def from_csv(path: Path) -> str:
    """A Markdown table of a csv file, numbers to the right."""
    with path.open(newline="") as file:
        head, *rows = list(csv.reader(file))
    lines = [_line(head), _line(["---:" if _is_number(cell) else "---" for cell in rows[0]])]
    return "\n".join(lines + [_line(row) for row in rows]) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _filled(table: str, match: re.Match[str]) -> str:
    return match[1] + table + match[2]


if __name__ == "__main__":
    main()
