"""What a series looks like: its repr and its figures.  Matplotlib is imported when a figure is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .series import ChebSeries

# Rows of the table before it is cut in the middle.
ROWS = 8
# Points per piece of a figure: enough for every wiggle of its degree, within these bounds.
PLOT_POINTS = (16, 4000)


def describe(u: ChebSeries) -> str:
    """Domain and one aligned row per piece."""
    kind = "complex" if u.dtype.kind == "c" else "real"
    pieces = "1 piece" if u.pieces == 1 else f"{u.pieces} pieces"
    head = f"ChebSeries on [{u.domain[0]:g}, {u.domain[1]:g}]: {pieces}, {kind}, {len(u)} coefficients"
    rows = [("interval", "degree", "max |c|", "last |c|")]
    shown = list(range(u.pieces))
    if u.pieces > ROWS:
        shown = [*range(ROWS // 2), -1, *range(u.pieces - ROWS // 2, u.pieces)]
    coefficients, breaks = u.coefficients, u.breakpoints
    for e in shown:
        if e < 0:
            rows.append(("…", "…", "…", "…"))
            continue
        c = np.abs(coefficients[e])
        interval = f"[{breaks[e]:.6g}, {breaks[e + 1]:.6g}]"
        rows.append((interval, str(c.size - 1), f"{c.max():.2e}", f"{c[-1]:.2e}"))
    widths = [max(len(r[i]) for r in rows) for i in range(4)]
    lines = ["  " + "  ".join(cell.rjust(w) for cell, w in zip(r, widths, strict=True)) for r in rows]
    return "\n".join([head, *lines])


def plot(u: ChebSeries, ax: Axes | None, **kw: Any) -> Axes:
    ax = _axes(ax)
    per_piece = int(np.clip(6 * (u.degree + 1), *PLOT_POINTS))
    x, v = u.sample(per_piece)
    # a nan between pieces lifts the pen where the function jumps
    gap = np.full((u.pieces, 1), np.nan)
    jumps = np.abs(v[1:, 0] - v[:-1, -1]) > 1e-9 * np.abs(v).max()
    lift = np.concatenate([np.where(jumps, np.nan, v[1:, 0]), [np.nan]])[:, None]
    x, v = np.hstack([x, x[:, -1:]]).ravel(), np.hstack([v, lift + 0 * gap.astype(v.dtype)]).ravel()
    v = np.where(np.isnan(v), np.nan, v)
    if u.dtype.kind == "c":
        label = kw.pop("label", "u")
        ax.plot(x, v.real, label=f"Re {label}", **kw)
        ax.plot(x, v.imag, label=f"Im {label}", **kw)
    else:
        ax.plot(x, v, **kw)
    ax.set_xlabel("x")
    return ax


def plot_coefficients(u: ChebSeries, ax: Axes | None, **kw: Any) -> Axes:
    ax = _axes(ax)
    kw.setdefault("marker", ".")
    kw.setdefault("linestyle", "none" if u.pieces == 1 else "-")
    for c in u.coefficients:
        size = np.abs(c)
        ax.semilogy(np.arange(c.size), np.where(size > 0, size, np.nan), **kw)
    ax.set_xlabel("degree")
    ax.set_ylabel("|coefficient|")
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]
