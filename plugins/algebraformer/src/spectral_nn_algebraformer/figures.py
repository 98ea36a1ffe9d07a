"""Figures of the training log and the evaluations; needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float = 6.0, height: float = 4.0) -> Figure:
    """A figure outside pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def learning_curve(rows: Sequence[Sequence[Any]], title: str, path: Path) -> None:
    """Training loss and validation error against the step."""
    figure = new_figure()
    ax = figure.add_subplot()
    ax.plot([r[0] for r in rows], [r[1] for r in rows], lw=0.7, label="training loss")
    ax.set(xlabel="step", ylabel="loss", title=title)
    measured = [r for r in rows if r[4] is not None]
    if measured:
        right = ax.twinx()
        right.semilogy([r[0] for r in measured], [r[4] for r in measured], "C1.-", label="validation")
        right.set_ylabel("median relative error (validation)")
    figure.savefig(path, dpi=110)
