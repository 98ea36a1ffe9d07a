"""What a problem of the zoo is: the equation for `solve_bvp`, an independent reference, SciPy's form of it.

References never come from this library: they are closed forms, or values stored in ``references.json`` by
``make_references.py`` (Gauss collocation, mpmath, Runge-Kutta), or, where a problem has several solutions,
nothing but the residual.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

REFERENCES = Path(__file__).with_name("references.json")
SAMPLES = 41  # points at which a solution is compared with a closed form


@dataclass(frozen=True)
class FirstOrder:
    """A problem as y' = fun(x, y[, p]), bc(ya, yb[, p]) = 0: the form SciPy and the reference makers need.

    `guess(x)` has shape (m, n). `rows` are the rows of y that are the unknowns of the problem.
    """

    fun: Callable[..., np.ndarray]
    bc: Callable[..., np.ndarray]
    guess: Callable[[np.ndarray], np.ndarray]
    rows: tuple[int, ...] = (0,)


@dataclass(frozen=True, eq=False)
class Problem:
    """One boundary value problem and how its answer is known.

    Parameters
    ----------
    name : str
        Unique; parameters of a family are part of it, as in ``"T4_1e-06"``.
    op, domain, lbc, rbc, bc, rhs, guess, params, unknowns, breakpoints
        Arguments of `spectral_nn.solve_bvp`.
    exact : callable, optional
        x of shape (n,) -> (n,) for one unknown or (m, n) for m, accurate to rounding.
    exact_params : dict
        Reference values of the unknown parameters.
    first_order : FirstOrder, optional
        The same problem for `scipy.integrate.solve_bvp`.
    tags : frozenset of str
    tol : float
        What is asked of the solver; errors up to 1000 tol (1 + max|u|) are accepted.
    stored : bool
        The reference is in ``references.json`` under `name`.
    note : str
        Source of the problem, and anything to know about it.
    """

    name: str
    op: Callable[..., Any]
    domain: tuple[float, float]
    lbc: Any = None
    rbc: Any = None
    bc: Any = None
    rhs: Any = None
    guess: Any = None
    params: dict[str, Any] | None = None
    unknowns: int | None = None
    breakpoints: tuple[float, ...] = ()
    exact: Callable[[np.ndarray], np.ndarray] | None = None
    exact_params: dict[str, float] = field(default_factory=dict)
    first_order: FirstOrder | None = None
    tags: frozenset[str] = frozenset()
    tol: float = 1e-10
    stored: bool = False
    note: str = ""

    def __repr__(self) -> str:  # short, because pytest prints it
        return f"Problem({self.name})"

    @property
    def has_reference(self) -> bool:
        return self.exact is not None or self.stored

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `solve_bvp`, only those that are set."""
        given = {"op": self.op, "domain": self.domain, "tol": self.tol}
        for key in ("lbc", "rbc", "bc", "rhs", "guess", "params", "unknowns"):
            if getattr(self, key) is not None:
                given[key] = getattr(self, key)
        if self.breakpoints:
            given["breakpoints"] = self.breakpoints
        return given

    def reference(self) -> tuple[np.ndarray, np.ndarray]:
        """Sample points (n,) and reference values (n,) or (m, n)."""
        if self.exact is not None:
            x = self.sample()
            return x, np.asarray(self.exact(x))
        entry = stored_references()[self.name]
        values = np.array(entry["u"])
        if "u_imag" in entry:
            values = values + 1j * np.array(entry["u_imag"])
        return np.array(entry["x"]), values

    def reference_params(self) -> dict[str, float]:
        if self.exact_params or not self.stored:
            return self.exact_params
        return stored_references()[self.name].get("params", {})

    def sample(self) -> np.ndarray:
        """Points crowded at the ends and the middle, so that layers are seen; no break points."""
        a, b = self.domain
        graded = np.concatenate([[0.0], np.logspace(-7, np.log10(0.5), 14)])
        t = np.unique(np.concatenate([graded, 1 - graded, np.linspace(0, 1, SAMPLES), 0.5 + graded / 2]))
        x = a + (b - a) * np.clip(t, 0, 1)
        for s in self.breakpoints:
            x = x[np.abs(x - s) > 1e-9 * (b - a)]
        return x


@cache
def stored_references() -> dict[str, Any]:
    return json.loads(REFERENCES.read_text()) if REFERENCES.exists() else {}


def tags(words: str) -> frozenset[str]:
    return frozenset(words.split())


def line(a: float, b: float, ya: float, yb: float) -> Callable[[np.ndarray], np.ndarray]:
    """(u, u') of the straight line between two boundary values: the guess a SciPy user starts from."""
    slope = (yb - ya) / (b - a)
    return lambda x: np.vstack([ya + slope * (x - a), np.full_like(x, slope)])


def second_order(
    f: Callable[..., Any], domain: tuple[float, float], ua: float, ub: float, guess: Any = None
) -> FirstOrder:
    """SciPy's form of u'' = f(x, u, u') with u given at both ends."""

    def fun(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.vstack([y[1], f(x, y[0], y[1]) + 0 * x])

    def bc(ya: np.ndarray, yb: np.ndarray) -> np.ndarray:
        return np.array([ya[0] - ua, yb[0] - ub])

    return FirstOrder(fun, bc, guess or line(*domain, ua, ub))
