"""The tables and the figure of the boundary value benchmark."""

from __future__ import annotations

import csv
import platform
from dataclasses import asdict

import numpy as np
import scipy

from benchmarks.bvp_measure import TARGET, Row
from benchmarks.page import RESULTS, ROOT, fill

CSV = RESULTS / "bvp.csv"
FIGURE = ROOT / "docs" / "figures" / "benchmark_bvp.png"


def print_row(row: Row) -> None:
    ours = f"{row.ms:9.2f} ms {row.error:8.1e} {'' if row.solved else 'FAILED':6s}"
    other = f"{row.scipy_ms:9.1f} ms {row.scipy_error:8.1e} {'' if row.scipy_solved else 'FAILED':6s}"
    print(f"{row.problem:24s} {ours} | scipy {other} | {row.ratio:8.1f}x", flush=True)


def save(rows: list[Row]) -> None:
    """The csv, the figure, and the tables between the markers of the docs page."""
    CSV.parent.mkdir(exist_ok=True)
    with CSV.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*asdict(rows[0]), "ratio"])
        for row in rows:
            values = [f"{v:.4g}" if isinstance(v, float) else v for v in asdict(row).values()]
            writer.writerow([*values, f"{row.ratio:.4g}"])
    draw(rows)
    fill("summary", summary(rows))
    fill("colnew", against_colnew(rows))
    fill("all", everything(rows))


def summary(rows: list[Row]) -> str:
    both = [r for r in rows if r.solved and r.scipy_solved]
    ratios = np.array([r.ratio for r in both])
    every = np.array([r.ratio for r in rows if r.solved])
    if not both:
        return "nothing that both solve\n"
    ms, scipy_ms = [r.ms for r in rows], [r.scipy_ms for r in rows]
    errors, scipy_errors = [r.error for r in rows], [r.scipy_error for r in rows]
    faster = int((ratios > 1).sum())
    worst, best = min(both, key=lambda r: r.ratio), max(both, key=lambda r: r.ratio)
    lines = [
        "| | spectral_nn | SciPy |",
        "| --- | --- | --- |",
        f"| solved to {TARGET:g}, of {len(rows)} | {sum(r.solved for r in rows)} "
        f"| {sum(r.scipy_solved for r in rows)} |",
        f"| median time | {np.median(ms):.2f} ms | {np.median(scipy_ms):.1f} ms |",
        f"| slowest | {max(ms):.1f} ms | {max(scipy_ms):.0f} ms |",
        f"| median error | {np.median(errors):.1e} | {np.median(scipy_errors):.1e} |",
        "",
        f"SciPy's time over ours, geometric mean: **{_geometric(ratios):.1f}** on the {len(both)} problems "
        f"that both solve, **{_geometric(every):.1f}** on all that we solve (SciPy failing counts with its "
        f"time). Faster on {faster} of the {len(both)}; smallest ratio {worst.ratio:.2f} "
        f"({worst.problem}), largest {best.ratio:.0f} ({best.problem}).",
        "",
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, one thread.",
    ]
    return "\n".join(lines) + "\n"


def against_colnew(rows: list[Row]) -> str:
    lines = ["| problem | spectral_nn, ms | error | COLNEW, ms (prior) |", "| --- | ---: | ---: | ---: |"]
    for r in rows:
        if r.colnew_ms:
            ours = f"{r.ms:.2f}" if r.solved else "fails"
            lines.append(f"| {r.problem} | {ours} | {r.error:.0e} | {r.colnew_ms} |")
    return "\n".join(lines) + "\n"


def everything(rows: list[Row]) -> str:
    lines = [
        "| problem | ms | error | points | Newton | SciPy, ms | error | nodes | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        ours, other = (" **fails**" if not ok else "" for ok in (r.solved, r.scipy_solved))
        lines.append(
            f"| {r.problem} | {r.ms:.2f}{ours} | {r.error:.0e} | {r.points} | {r.newton} "
            f"| {r.scipy_ms:.1f}{other} | {r.scipy_error:.0e} | {r.scipy_nodes} | {r.ratio:.1f} |"
        )
    return "\n".join(lines) + "\n"


def draw(rows: list[Row]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
    groups = (
        ("both solve it", [r for r in rows if r.solved and r.scipy_solved], "o", "C0"),
        ("SciPy fails", [r for r in rows if r.solved and not r.scipy_solved], "^", "C1"),
        ("spectral_nn fails", [r for r in rows if not r.solved], "x", "C3"),
    )
    for label, group, marker, colour in groups:
        if group:
            times = [[r.scipy_ms for r in group], [r.ms for r in group]]
            left.loglog(*times, marker, color=colour, ms=5, alpha=0.8, label=f"{label} ({len(group)})")
    prior = [(float(r.colnew_ms), r.ms) for r in rows if r.colnew_ms not in ("", "fails") and r.solved]
    left.loglog(
        *zip(*prior, strict=True), "*", color="C2", ms=9, label=f"COLNEW, measured before ({len(prior)})"
    )
    span = np.array([0.2, max(max(r.scipy_ms for r in rows), 1e4)])
    for factor in (1, 20):
        left.loglog(span, span / factor, color="0.6", lw=0.8)
        left.annotate(f"{factor}x", (span[1], span[1] / factor), color="0.4", fontsize=8)
    left.set(
        xlabel="time of SciPy (or COLNEW), ms", ylabel="time of spectral_nn, ms", title="Time per problem"
    )
    left.legend(fontsize=8)
    for label, values, colour in (
        ("spectral_nn", [(r.ms, r.error) for r in rows], "C0"),
        ("SciPy, tol 1e-9", [(r.scipy_ms, r.scipy_error) for r in rows], "C1"),
    ):
        ms, error = np.array(values).T
        right.loglog(ms, np.clip(error, 1e-17, 1e2), "o", color=colour, ms=4, alpha=0.7, label=label)
    right.axhline(TARGET, color="0.6", lw=0.8)
    right.set(xlabel="time, ms", ylabel="error, relative to max(1, |u|)", title="Work and accuracy")
    right.legend(fontsize=8)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=150)
    plt.close(figure)


def _geometric(values: np.ndarray) -> float:
    return float(np.exp(np.mean(np.log(values))))
