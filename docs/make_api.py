"""Write docs/api.md from the docstrings of the public names.

    python docs/make_api.py

The docstrings are numpydoc; each becomes its summary, a list of arguments or fields, and its example.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "api.md"
ROOMS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Boundary value problems", "spectral_nn",
     ("solve_bvp", "BVP", "BVPResult", "Status", "continuation", "deflate")),
    ("", "spectral_nn.bvp.continuation", ("Branch",)),
    ("", "spectral_nn.bvp.eigs", ("eigs", "EigResult")),
    ("", "spectral_nn.bvp.expression", ("Expression",)),
    ("SciPy's signature", "spectral_nn.integrate", ("solve_bvp",)),
    ("Functions on an interval", "spectral_nn", ("ChebSeries",)),
    ("Linear systems", "spectral_nn",
     ("solve_linear", "linear_solvers", "select_linear_solver", "LinearSystem", "LinearSolution")),
    ("", "spectral_nn.linear.interface", ("LinearSolver", "Traits", "LinearStatus")),
    ("", "spectral_nn.testing", ("check_linear_solver",)),
    ("l_p minimization", "spectral_nn",
     ("minimize_lp", "LpProblem", "LpTerm", "LpResult", "minimize_lp_batch")),
    ("", "spectral_nn.lp.result", ("LpStatus",)),
)  # fmt: skip
FOR_SOLVERS = ("trace", "conditions")
"""Methods without an underscore that only the library's own rooms call."""
LISTS = ("Parameters", "Attributes", "Returns", "Raises", "Yields")
HEADER = """# API

Written from the docstrings by `docs/make_api.py`; `help(name)` shows the same. What is not here is private and may
change. Where no other module is named, names are imported from `spectral_nn`.
"""


def render() -> str:
    """The whole page."""
    parts = [HEADER]
    for title, home, names in ROOMS:
        try:
            module = importlib.import_module(home)
        except ModuleNotFoundError:
            continue
        if title:
            parts.append(f"## {title}\n")
        for name in names:
            if hasattr(module, name):
                parts += entry(home, name, getattr(module, name))
    return "\n".join(parts).rstrip() + "\n"


def entry(home: str, name: str, thing: Any) -> list[str]:
    """The section of one name: title, signature, docstring; for a class its public methods, too."""
    full = name if home == "spectral_nn" else f"{home}.{name}"
    kind = "class " if inspect.isclass(thing) else ""
    parts = [f"### `{kind}{full}`\n"]
    is_enum = inspect.isclass(thing) and hasattr(thing, "__members__")
    if not is_enum and not _is_result(thing):
        parts.append(f"```text\n{signature(name, thing)}\n```\n")
    parts.append(markdown(inspect.getdoc(thing) or ""))
    if is_enum:
        parts.append("\n".join(f"- `{m.name}` = {m.value}: {m.sentence}" for m in thing) + "\n")
    elif inspect.isclass(thing):
        methods = [line for key, value in vars(thing).items() if (line := _method(key, value))]
        if methods:
            parts.append("\n".join(methods) + "\n")
    return parts


def signature(name: str, thing: Any) -> str:
    """``name(a, b, *, c=1)`` without annotations, wrapped."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name != "self"]
    text = f"{name}{found.replace(parameters=bare, return_annotation=found.empty)}"
    text = re.sub(r"<factory>|<function [^>]*>", "…", text)
    return textwrap.fill(text, 100, subsequent_indent=" " * (len(name) + 1), break_long_words=False)


def markdown(doc: str) -> str:
    """A numpydoc docstring as Markdown."""
    out, section, lines = [], "", doc.splitlines()
    i = 0
    while i < len(lines):
        if i + 1 < len(lines) and lines[i].strip() and re.fullmatch(r"-{3,}", lines[i + 1].strip()):
            section = lines[i].strip()
            out.append(f"\n**{section}**\n" if section != "Examples" else "")
            i += 2
            continue
        line = lines[i]
        if section in LISTS and line.strip():
            body, i = _indented(lines, i + 1)
            out.append(_item(line, body))
            continue
        if line.startswith(">>>"):
            code, i = _example(lines, i)
            out.append("```pycon\n" + code + "\n```")
            continue
        out.append(_inline(line))
        i += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip() + "\n"


def _is_result(thing: Any) -> bool:
    return inspect.isclass(thing) and thing.__name__.endswith(("Result", "Solution", "Branch", "Expression"))


def _method(name: str, value: Any) -> str:
    if name.startswith("_") or name in FOR_SOLVERS:
        return ""
    if isinstance(value, property):
        return f"- `.{name}`: {_summary(value.fget)}".removesuffix(": ")
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if not inspect.isfunction(value):
        return ""
    text = signature(name, value).replace("\n", "")
    return f"- `.{re.sub(' +', ' ', text).replace('cls, ', '')}`: {_summary(value)}".removesuffix(": ")


def _summary(thing: Any) -> str:
    return _inline((inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " "))


def _item(head: str, body: list[str]) -> str:
    name, _, kind = head.partition(" : ")
    text = _inline(" ".join(body))
    bold = ", ".join(f"`{n.strip()}`" for n in name.split(","))
    return f"- {bold}" + (f" ({_inline(kind)})" if kind else "") + (f": {text}" if text else "")


def _indented(lines: list[str], i: int) -> tuple[list[str], int]:
    body = []
    while i < len(lines) and (lines[i].startswith("    ") or not lines[i].strip()):
        if not lines[i].strip() and not (i + 1 < len(lines) and lines[i + 1].startswith("    ")):
            break
        body.append(lines[i].strip())
        i += 1
    return body, i


def _example(lines: list[str], i: int) -> tuple[str, int]:
    code = []
    while i < len(lines) and lines[i].strip():
        code.append(lines[i])
        i += 1
    return "\n".join(code), i


def _inline(text: str) -> str:
    text = re.sub(r":(?:meth|func|class|mod):", "", text)
    return re.sub(r"``(.+?)``", r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(render())
