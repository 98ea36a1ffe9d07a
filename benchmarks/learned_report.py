"""Tables and figures of the learned solvers: csv files, figures, and the tables of docs/learned.md and learned_cost.md."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.page import RESULTS, ROOT, from_csv

PAGES = (ROOT / "docs" / "learned.md", ROOT / "docs" / "learned_cost.md")
FIGURES = ROOT / "docs" / "figures"


def table(name: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write benchmarks/results/learned_NAME.csv, print it, and put it where a page has ``<!-- NAME: … -->``."""
    path = RESULTS / f"learned_{name}.csv"
    RESULTS.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([[show(cell) for cell in row] for row in rows])
    markdown = from_csv(path)
    print(markdown)
    for page in PAGES:
        if page.exists():
            text = page.read_text(encoding="utf-8")
            pattern = rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)"
            page.write_text(re.sub(pattern, partial(_filled, markdown), text, flags=re.S), encoding="utf-8")


def show(cell: Any) -> str:
    """Three significant digits."""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return str(cell)


def _filled(markdown: str, match: re.Match[str]) -> str:
    return match[1] + markdown + match[2]
