"""Following a solution through a parameter, around folds: pseudo-arclength continuation.

H. B. Keller, "Numerical solution of bifurcation and nonlinear eigenvalue problems" (1977). The parameter becomes an
unknown scalar and the arclength equation one more (integral) condition, so every point of the branch is an ordinary solve
with its certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .bvp import BVP
from .conditions import as_list, call_with_params
from .result import BVPResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUICK, SLOW = 5, 9
"""Newton iterations up to which a step may grow, and from which it shrinks."""
GROW, SHRINK = 1.4, 0.5
STRAIGHT = 0.7
"""Cosine of the turn of the secant from which a step is taken again, shorter: it may have jumped to another branch."""


@dataclass(frozen=True, eq=False, repr=False)
class Branch:
    """A branch of solutions.

    Attributes
    ----------
    name : str
        The parameter.
    values : ndarray (N,)
        Its values along the branch.
    measure : ndarray (N,)
        The measure of each solution, by default max |u|.
    results : tuple of BVPResult
    folds : ndarray
        Values of the parameter where the branch turns back, located by minimization along the arclength.
    success : bool
        Whether the branch reached ``until`` (or the wanted number of steps).
    message : str
    """

    name: str
    values: np.ndarray
    measure: np.ndarray
    results: tuple[BVPResult, ...]
    folds: np.ndarray
    success: bool
    message: str

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, i: int) -> BVPResult:
        return self.results[i]

    def at(self, value: float) -> list[BVPResult]:
        """The computed solutions next to each crossing of a value: starts for a solve exactly there."""
        side = np.sign(self.values - value)
        return [self.results[i + 1] for i in np.flatnonzero(side[:-1] * side[1:] <= 0)]

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """The bifurcation diagram: measure against parameter; returns the Axes."""
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        ax.plot(self.values, self.measure, **{"marker": ".", **kwargs})
        for fold in self.folds:
            ax.axvline(fold, linestyle=":", color="gray")
        ax.set_xlabel(self.name)
        ax.set_ylabel("measure")
        return ax

    def __repr__(self) -> str:
        folds = ", ".join(f"{f:.10g}" for f in self.folds) or "none"
        return (
            f"  branch: {len(self)} solutions, {self.name} from {self.values[0]:g} to {self.values[-1]:g}\n"
            f"   folds: {folds}\n success: {self.success}\n message: {self.message}"
        )


def continuation(
    op: Callable,
    domain: Sequence[float],
    lbc: Any = None,
    rbc: Any = None,
    bc: Any = None,
    *,
    parameter: dict[str, float],
    step: float = 0.1,
    until: tuple[float, float] | None = None,
    max_steps: int = 50,
    max_step: float = np.inf,
    guess: Any = None,
    measure: Callable | None = None,
    callback: Callable | None = None,
    params: dict[str, Any] | None = None,
    **options: Any,
) -> Branch:
    """Follow a solution as a parameter changes, through folds.

    Parameters
    ----------
    op, domain, lbc, rbc, bc, params
        The problem as for `spectral_nn.solve_bvp`; `op` (and the conditions) take the parameter by name.
    parameter : dict with one entry
        Its name and the value to start from, ``{"lam": 0.1}``.
    step : float
        First step along the branch, signed: where it is negative, the parameter first decreases. The length of a step
        is ``sqrt(‖δu‖² / ‖u‖² + δλ²)``-like: functions are measured in the mean square relative to 1 + their size.
    until : pair of float, optional
        Stop when the parameter leaves this interval.
    max_steps : int
        Solutions to compute at most.
    max_step : float
        Largest step.
    guess : optional
        For the first solution.
    measure : callable, optional
        Of a BVPResult, a number for the diagram; default the largest |u| of the first unknown.
    callback : callable, optional
        Called with each BVPResult; StopIteration ends the branch.
    **options
        Of `solve_bvp`: tol, max_iter, ….

    Returns
    -------
    Branch

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import continuation
    >>> branch = continuation(lambda x, u, lam: u.diff(2) + lam*np.exp(u), (0, 1), lbc=0, rbc=0,
    ...                       parameter={"lam": 1.0}, step=0.5, until=(0.5, 5))
    >>> round(float(branch.folds[0]), 3)
    3.514
    """
    name, start = _check_parameter(parameter, step)
    fixed = dict(params or {})
    size = measure or (lambda r: float(np.abs(r.u[0](r._sample())).max()))

    def advance(pair: Any, solutions: Any, length: float) -> float:
        found = _step(op, domain, lbc, rbc, bc, fixed, name, list(pair), list(solutions), length, options)
        return float(np.real(found.params[name])) if found.success else np.nan

    first = _solve_at(op, domain, lbc, rbc, bc, fixed, name, start, guess, options)
    results, values = [first], [start]
    if not first.success:
        return _branch(
            name, values, results, size, False, f"the first solution failed: {first.message}", advance
        )
    second = _solve_at(op, domain, lbc, rbc, bc, fixed, name, start + 0.1 * step, first, options)
    if not second.success:
        return _branch(
            name, values, results, size, False, f"the second solution failed: {second.message}", advance
        )
    results.append(second)
    values.append(start + 0.1 * step)
    length, message, success = abs(step), f"made {max_steps} steps", True
    while len(results) < max_steps:
        found = _step(op, domain, lbc, rbc, bc, fixed, name, values, results, length, options)
        if (
            not found.success
            or found.nit > 3 * SLOW
            or _turn(results[-2], results[-1], found, values, name) < STRAIGHT
        ):
            length *= SHRINK
            if length < 1e-6 * abs(step):
                success, message = False, f"no step leads on from {name} = {values[-1]:g}: {found.message}"
                break
            continue
        results.append(found)
        values.append(float(np.real(found.params[name])))
        if callback is not None:
            try:
                callback(found)
            except StopIteration:
                message = "stopped by the callback"
                break
        if until is not None and not until[0] <= values[-1] <= until[1]:
            message = f"{name} left [{until[0]:g}, {until[1]:g}]"
            break
        length = min(
            max_step, length * (GROW if found.nit <= QUICK else SHRINK if found.nit >= SLOW else 1.0)
        )
    return _branch(name, values, results, size, success, message, advance)


def _solve_at(op, domain, lbc, rbc, bc, fixed, name, value, guess, options) -> BVPResult:
    """The solution at a fixed value of the parameter: a condition pins it."""

    def pinned(x, *args, **scalars):
        own = [] if bc is None else _user_conditions(bc, x, args, scalars)
        return [*own, scalars[name] - value]

    problem = BVP(op, domain, lbc, rbc, pinned, params={**fixed, name: value})
    return problem.solve(guess=guess, **options)


def _step(op, domain, lbc, rbc, bc, fixed, name, values, results, length, options) -> BVPResult:
    """One step along the secant of the last two solutions, orthogonal to it by the arclength condition."""
    before, last = results[-2], results[-1]
    u_last, rate = last.u, values[-1] - values[-2]
    x = last._sample()
    w = np.gradient(x) / (x[-1] - x[0])
    scales = [1.0 + np.sqrt(np.sum(w * np.abs(u(x)) ** 2)) for u in u_last]
    width = domain[1] - domain[0]
    norm = np.sqrt(
        rate**2
        + sum(
            np.sum(w * np.abs(a(x) - b(x)) ** 2) / s**2
            for a, b, s in zip(u_last, before.u, scales, strict=True)
        )
    )
    tangent = [lambda t, a=a, b=b: (a(t) - b(t)) / norm for a, b in zip(u_last, before.u, strict=True)]

    def arclength(x, *args, **scalars):
        own = [] if bc is None else _user_conditions(bc, x, args, scalars)
        along = (scalars[name] - values[-1]) * (rate / norm) - length
        for u, old, slope, s in zip(args, u_last, tangent, scales, strict=True):
            along = along + ((u - old(x)) * np.conj(slope(x))).sum() / (width * s**2)
        return [*own, along]

    ahead = [a + (a - b) * (length / norm) for a, b in zip(u_last, before.u, strict=True)]
    params = {k: last.params[k] for k in fixed}
    problem = BVP(op, domain, lbc, rbc, arclength, params={**params, name: values[-1] + length * rate / norm})
    return problem.solve(guess=ahead, **{"rescue": False, **options})


def _turn(before: BVPResult, last: BVPResult, found: BVPResult, values: list[float], name: str) -> float:
    """Cosine of the angle between the last secant and the new one."""
    x = last._sample()
    u = [np.concatenate([s(x) / np.sqrt(x.size) for s in r.u]) for r in (before, last, found)]
    a = np.append(u[1] - u[0], values[-1] - values[-2])
    b = np.append(u[2] - u[1], np.real(found.params[name]) - values[-1])
    return float(np.real(np.vdot(a, b)) / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-300))


def _user_conditions(bc, x, args, scalars) -> list[Any]:
    if isinstance(bc, str):
        raise ValueError(
            "bc: continuation takes conditions as a callable; write periodic ones as lambda x, u: u(a) - u(b)"
        )
    return as_list(call_with_params(bc, [x, *args], scalars, "bc"))


def _check_parameter(parameter: Any, step: Any) -> tuple[str, float]:
    if not isinstance(parameter, dict) or len(parameter) != 1:
        raise ValueError(
            f"parameter: expected a dict with one name and its first value, such as {{'lam': 0.0}}, got {parameter!r:.60}"
        )
    ((name, start),) = parameter.items()
    if not np.isfinite(step) or step == 0:
        raise ValueError(f"step: expected a number that is not zero, got {step!r}")
    return name, float(start)


def _branch(name, values, results, size, success, message, advance) -> Branch:
    v = np.array(values)
    turns = [i for i in range(1, v.size - 1) if (v[i] - v[i - 1]) * (v[i + 1] - v[i]) < 0]
    folds = [_fold(i, v, results, advance) for i in turns]
    return Branch(
        name, v, np.array([size(r) for r in results]), tuple(results), np.array(folds), success, message
    )


def _fold(i: int, v: np.ndarray, results: list[BVPResult], advance: Callable) -> float:
    """The extreme value of the parameter near point i: it is stationary there, so half the digits of the place suffice."""
    from scipy.optimize import minimize_scalar  # slow to import

    sign = np.sign(v[i] - v[i - 1])
    back, ahead = (np.hypot(_distance(results[i], results[n]), v[i] - v[n]) for n in (i - 1, i + 1))

    def below(length: float) -> float:
        found = advance(v[i - 1 : i + 1], results[i - 1 : i + 1], length)
        return -sign * found if np.isfinite(found) else np.inf

    best = minimize_scalar(
        below, bounds=(-0.9 * back, 0.9 * ahead), method="bounded", options={"xatol": 1e-5 * (back + ahead)}
    )
    return float(sign * max(-best.fun, sign * v[i]))


def _distance(a: BVPResult, b: BVPResult) -> float:
    """Distance of two solutions in the norm of the arclength."""
    x = a._sample()
    w = np.gradient(x) / (x[-1] - x[0])
    parts = [(p(x), q(x)) for p, q in zip(a.u, b.u, strict=True)]
    return float(
        np.sqrt(
            sum(
                np.sum(w * np.abs(p - q) ** 2) / (1.0 + np.sqrt(np.sum(w * np.abs(p) ** 2))) ** 2
                for p, q in parts
            )
        )
    )
