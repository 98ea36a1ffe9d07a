"""Run the ```python blocks of the documentation and compare what they print with the ```text block below each.

    python docs/run_blocks.py                      check README.md and every page of docs/
    python docs/run_blocks.py --update docs/x.md   write what is printed into the page

The blocks of a page run in order in one namespace, as a reader would type them, in a scratch directory. A block below the
line ``<!-- illustrative -->`` is shown, not run. A ```text block straight after a ```python block is its output; a block that
starts with ``>>>`` holds its own.
"""

from __future__ import annotations

import argparse
import contextlib
import doctest
import io
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ILLUSTRATIVE = "<!-- illustrative -->"
BLOCK = re.compile(
    r"^(?P<mark><!-- illustrative -->\n+)?```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?",
    re.M | re.S,
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|\bnan\b")
EFFORT = re.compile(
    r"^\s*(?:time|n|nit|linear_solver|residual|bc_residual|error_estimate|gap|kkt|factorizations): "
)
"""Lines of a result that say how much work it took, or how small a residual is: their words count, their numbers may move."""
COUNT = re.compile(r"\d+ (solve|refinement)s?\b")
"""The same inside of a line."""
RTOL, ATOL = 1e-6, 1e-8


@dataclass(frozen=True)
class Block:
    """One block of code of a page: where its lines start, what it is, what it should print (None: anything)."""

    line: int
    code: str
    expected: str | None
    illustrative: bool


def pages() -> list[Path]:
    """README.md, those of the plugins and every page of docs/ that holds a block of Python."""
    found = [
        ROOT / "README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "plugins").glob("*/README.md")),
    ]
    return [page for page in found if "```python" in page.read_text()]


def blocks(page: Path) -> list[Block]:
    """The Python blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(text.count("\n", 0, m.start("code")) + 1, m["code"], m["text"], m["mark"] is not None)
        for m in BLOCK.finditer(text)
    ]


def run(page: Path) -> list[tuple[Block, str]]:
    """Run a page; returns each block with what it printed. Exceptions of a block carry its place in their traceback."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    namespace: dict = {"__name__": "__main__"}
    out, home = [], os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            for block in blocks(page):
                if block.illustrative:
                    continue
                if block.code.startswith(">>>"):
                    _run_session(block, page, namespace)
                    continue
                code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    exec(code, namespace)
                out.append((block, "".join(line.rstrip() + "\n" for line in printed.getvalue().splitlines())))
        finally:
            os.chdir(home)
            plt.close("all")
    return out


def differences(expected: str, printed: str) -> list[str]:
    """What differs, line by line: words must agree, numbers to six digits, those that tell the effort not at all."""
    old, new = expected.splitlines(), printed.splitlines()
    if len(old) != len(new):
        return [f"{len(old)} lines shown, {len(new)} printed:\n{printed}"]
    return [f"shown   {a}\nprinted {b}" for a, b in zip(old, new, strict=True) if not _alike(a, b)]


def update(page: Path) -> bool:
    """Write what the blocks of a page print into it; returns whether anything changed."""
    text = page.read_text()
    run(page)  # once before, so that times shown are those of warm kernels
    printed = {block.line: (block, out) for block, out in run(page)}

    def replaced(m: re.Match) -> str:
        block, out = printed.get(text.count("\n", 0, m.start("code")) + 1, (None, ""))
        if block is None or m["text"] is None:
            return m[0]
        return m[0][: m.start("text") - m.start()] + out + m[0][m.end("text") - m.start() :]

    fresh = BLOCK.sub(replaced, text)
    page.write_text(fresh)
    return fresh != text


def _run_session(block: Block, page: Path, namespace: dict) -> None:
    """Run a block written as an interactive session, as a doctest."""
    test = doctest.DocTestParser().get_doctest(block.code, namespace, page.name, str(page), block.line - 1)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False)
    report = io.StringIO()
    runner.run(test, out=report.write, clear_globs=False)
    namespace.update(test.globs)
    assert not runner.failures, report.getvalue()


def _alike(a: str, b: str) -> bool:
    a, b = COUNT.sub(r"some \1s", a), COUNT.sub(r"some \1s", b)
    if NUMBER.sub("#", a).split() != NUMBER.sub("#", b).split():
        return bool(EFFORT.match(a)) and a.split(":")[0] == b.split(":")[0]
    if EFFORT.match(a):
        return True
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    return all(x == y or abs(float(x) - float(y)) <= RTOL * abs(float(x)) + ATOL for x, y in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write what is printed into the pages")
    parser.add_argument("pages", nargs="*", type=Path)
    args = parser.parse_args()
    failed = 0
    for page in args.pages or pages():
        if args.update:
            print("updated" if update(page.resolve()) else "as it was", page)
            continue
        for block, printed in run(page.resolve()):
            for difference in differences(block.expected or printed, printed):
                print(f"{page}:{block.line}\n{difference}")
                failed += 1
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
