"""Write docs/examples.md: the examples of the repository by the first lines of their headers.

python docs/make_examples.py
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "examples.md"
HEADER = """# Examples

Each file states its equation, a reference value and where that comes from, solves, prints, and with `--save figure.png`
draws: `python examples/bratu.py --save bratu.png`. The tests run them. (Written by `docs/make_examples.py`.)

| file | what |
| --- | --- |
"""


def render() -> str:
    """The whole page."""
    rows = []
    for path in sorted((ROOT / "examples").glob("*.py")):
        what = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")
        rows.append(f"| [{path.name}](../examples/{path.name}) | {what} |")
    return HEADER + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render())
