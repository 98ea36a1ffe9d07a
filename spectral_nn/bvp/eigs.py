"""Eigenvalues of differential (and integral) operators: op(u) = λ B(u) with homogeneous conditions.

The pencil is discretized on finer and finer meshes. An eigenvalue is believed when two discretizations agree
on it, which spurious ones do not, and certified by the residual of the user's own equation between the nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..chebyshev.grid import quadrature_weights
from ..chebyshev.series import ChebSeries
from ..chebyshev.transform import values_to_coefficients
from .breaks import find_break
from .eig_result import EigResult, EigStatus
from .mesh import Mesh, State
from .pencil import Discrete, Pencil
from .problem import Problem

WHICH = ("SM", "LM", "SR", "LR", "SI", "LI")
#: Points of an element, level by level; then elements are halved.
LEVELS = (16, 24, 36, 54, 80, 120, 180, 270, 400)
#: Dense algebra up to this size: an eigenvalue decomposition of it takes about two seconds.
MAX_DENSE = 700
#: The QZ algorithm, which needs no shift but six times the work, up to this size.
MAX_QZ = 250
#: Two levels that agree to this (relative) are looked at as the same eigenvalue.
SAME = 1e-4
#: Where rounding limits the eigenvalues, a change up to this many tol still counts as success.
TRUSTED = 100
#: Levels that differ by less than this (relative) show about where an eigenvalue will be.
CALM = 0.1
#: Eigenvalues closer than this, relative, are one cluster: its vectors are made orthogonal, not polished.
CLUSTER = 1e-7


def eigs(
    problem: Problem,
    k: int = 6,
    *,
    sigma: complex | None = None,
    which: str | None = None,
    B: Callable | Problem | None = None,
    tol: float = 1e-10,
    max_n: int = 4000,
) -> EigResult:
    """k eigenvalues and eigenfunctions of op(u) = λ B(u), lbc, rbc and bc being homogeneous.

    Parameters
    ----------
    problem : Problem
        Linear, without `rhs` and `params`.
    k : int
        How many eigenvalues.
    sigma : number, optional
        Find those nearest to it.
    which : {"SM", "LM", "SR", "LR", "SI", "LI"}, optional
        Smallest or largest magnitude, real part or imaginary part. Default: nearest to `sigma`, which
        defaults to 0.
    B : callable, optional
        Right-hand operator ``B(x, u, …)``, an expression or a list as op returns; default the identity.
    tol : float
        An eigenvalue λ has settled when it changes by less than ``tol max(|λ|, mean |λ|)`` from one
        discretization to the next; its residual (see `EigResult`) must be below tol too.
    max_n : int
        Largest number of points.

    Returns
    -------
    EigResult

    Raises
    ------
    ValueError, TypeError
        For a nonlinear or inhomogeneous problem, and for arguments out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import BVP
    >>> oscillator = BVP(lambda x, u: -u.diff(2) + x**2 * u, (-10, 10), lbc=0, rbc=0)
    >>> oscillator.eigs(4).eigenvalues.round(10)
    array([1., 3., 5., 7.])
    """
    which = _check(k, sigma, which, tol)
    pencil = Pencil(problem, B)
    rank = _ranking(which, sigma)
    search = _Search(pencil, k, rank, sigma, tol)
    edges = _edges(pencil)
    for mesh in _meshes(edges, pencil, max_n):
        search.step(pencil.discretize(mesh))
        if search.done:
            break
    return search.result()


class _Search:
    """The wanted eigenpairs from level to level."""

    def __init__(self, pencil: Pencil, k: int, rank: Callable, sigma: complex | None, tol: float):
        self.pencil, self.k, self.rank, self.sigma, self.tol = pencil, k, rank, sigma, tol
        self.known = self.wander = np.empty(0)  # all eigenvalues of the level before, and their changes
        self.settled = False
        self.chosen: list[tuple[complex, float, np.ndarray]] = []  # eigenvalue, change, vector
        self.changes: list[float] = []
        self.level: Discrete | None = None
        self.done = False
        self.steady = 0  # levels in a row with the same choice
        self.wander_from = self.known

    def step(self, level: Discrete) -> None:
        """Solve on a finer mesh, and see whether the k wanted ones have settled."""
        values, vectors = self._solve(level)
        self.wander_from = self.known
        change = np.array([_distance(self.known, v) for v in values])
        believed = self._believed(values, change)
        order = np.argsort(self.rank(values), kind="stable")
        picked = [i for i in order if believed[i]][: self.k]
        before = np.array([c[0] for c in self.chosen])
        self.known, self.wander, self.level = values, change, level
        if not picked:
            self.chosen = []
            return
        typical = float(np.mean(np.abs(values[picked])))
        self.chosen = [self._improved(level, values[i], vectors[:, i], before, typical) for i in picked]
        relative = max(c[1] / max(abs(c[0]), typical, 1e-300) for c in self.chosen)
        stable = before.size == len(picked) and all(
            _distance(before, c[0]) <= SAME * max(abs(c[0]), typical) for c in self.chosen
        )
        self.steady = self.steady + 1 if stable else 0
        # Candidates ahead of the last one that have not settled: those that are about to are waited for;
        # those that wander are spurious if the choice stays the same for three levels.
        ahead = [i for i in order[: _position(order, picked[-1])] if not believed[i]]
        coming = any(change[i] <= CALM * abs(values[i]) for i in ahead)
        complete = len(picked) == self.k and (not ahead or (not coming and self.steady >= 2))
        # Convergence is faster than geometric: the next change will be smaller by more than this one was.
        expected = relative * min(1.0, relative / self.changes[-1]) if self.changes else relative
        self.settled = complete and (relative <= self.tol or (stable and expected <= 0.1 * self.tol))
        stagnates = len(self.changes) > 2 and 1e-5 > relative > 0.3 * min(self.changes[-2:])
        self.changes.append(relative)
        if self.settled or (complete and stable and stagnates):
            self.residuals = [self.pencil.residual(level.state(c[2]), c[0])[0] for c in self.chosen]
            self.done = max(self.residuals) <= self.tol or stagnates

    def _improved(
        self, level: Discrete, value: complex, vector: np.ndarray, before: np.ndarray, typical: float
    ) -> tuple[complex, float, np.ndarray]:
        """An eigenpair after inverse iteration, and its change from the level before."""
        change = _distance(np.concatenate([self.wander_from, before]), value)
        apart = np.abs(self.known - value)
        gap = 1e-3 * float(np.min(apart[apart > SAME * max(abs(value), typical)], initial=typical or 1.0))
        better, vector = level.improve(value, gap, vector)
        if abs(better - value) > gap:  # led astray: a cluster, or a defective eigenvalue
            better = value
        if before.size:
            change = min(change, _distance(before, better))
        return better, change, vector

    def _believed(self, values: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Which eigenvalues agree with the level before, relative to themselves or (near 0) to the others."""
        alike = change <= SAME * np.abs(values)
        if alike.any():
            ranked = values[alike][np.argsort(self.rank(values[alike]))][: self.k]
            alike |= np.maximum(np.abs(values), change) <= SAME * np.median(np.abs(ranked))  # an eigenvalue 0
        return alike

    def _solve(self, level: Discrete) -> tuple[np.ndarray, np.ndarray]:
        if len(self.chosen) < self.k and level.size <= MAX_QZ:
            return level.all_eigenpairs()
        dense = level.size <= MAX_DENSE
        return level.eigenpairs_near(self._shift(), self.k + 20, dense)

    def _shift(self) -> complex:
        """In the middle of what is wanted, but not on an eigenvalue."""
        wanted = [c[0] for c in self.chosen]
        if len(wanted) < self.k:  # take what has not settled, but does not wander about
            calm = self.known[self.wander <= CALM * np.abs(self.known)]
            wanted = list(calm[np.argsort(self.rank(calm))[: self.k]]) or wanted or [1.0]
        size = float(np.mean(np.abs(wanted)))
        shift: Any
        if self.sigma is not None:
            shift = self.sigma
        else:
            shift = complex(np.mean(wanted)) if np.ptp(np.abs(wanted)) < size else wanted[0]
        if self.pencil.dtype is float and not np.iscomplexobj(np.asarray(self.sigma)):
            shift = complex(shift).real
        distances = np.sort(np.abs(self.known - shift))
        apart = distances[distances > 1e-3 * max(abs(shift), size)]
        step = 0.1 * (apart[0] if apart.size else max(abs(shift), 1.0))
        while _distance(self.known, shift) < 0.5 * step:
            shift = shift + step
        return shift

    def result(self) -> EigResult:
        """The chosen pairs, polished, scaled and certified."""
        assert self.level is not None
        pairs = _orthogonal_clusters(_real_pairs(self.chosen, self.pencil), self.level)
        values = np.array([v for v, _, _ in pairs])
        errors = np.array([c for _, c, _ in pairs])
        states = [s for _, _, s in pairs]
        certificates = [self.pencil.residual(s, v) for v, s in zip(values, states, strict=True)]
        residuals = np.array([c[0] for c in certificates])
        bc_residuals = np.array([c[1] for c in certificates])
        accurate = bool(values.size) and max(residuals.max(), bc_residuals.max()) <= self.tol
        trusted = accurate and bool(self.changes) and self.changes[-1] <= TRUSTED * self.tol
        if len(values) < self.k:
            status = EigStatus.TOO_FEW
        elif self.settled and accurate:
            status = EigStatus.CONVERGED
        elif self.done:
            status = EigStatus.ROUNDING
        else:
            status = EigStatus.NOT_RESOLVED
        success = status == EigStatus.CONVERGED or (status == EigStatus.ROUNDING and trusted)
        m, mesh = len(self.pencil.names), self.level.mesh
        functions = [tuple(_series(s, j) for j in range(m)) for s in states]
        return EigResult(
            values, tuple(f[0] if m == 1 else f for f in functions), residuals, bc_residuals, errors,
            success, status, status.sentence, mesh.x.size, mesh.t, self.pencil.names,
        )  # fmt: skip


def _check(k: Any, sigma: Any, which: Any, tol: float) -> str:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k: expected a positive integer, got {k!r}")
    if isinstance(sigma, str):
        raise TypeError(f"sigma: expected a number; give which={sigma!r} for a kind of eigenvalue")
    if sigma is not None and not np.isfinite(sigma):
        raise ValueError(f"sigma: expected a finite number, got {sigma}")
    if which is not None and (not isinstance(which, str) or which.upper() not in WHICH):
        raise ValueError(f"which: expected one of {WHICH}, got {which!r}")
    if which is not None and sigma is not None:
        raise ValueError(
            "which: expected None where sigma is given (the eigenvalues nearest to sigma are found)"
        )
    if not 1e-14 <= tol < 1:
        raise ValueError(f"tol: expected a number in [1e-14, 1), got {tol}")
    return "SM" if which is None else which.upper()


def _ranking(which: str, sigma: complex | None) -> Callable[[np.ndarray], np.ndarray]:
    """A function of the eigenvalues that is small for those wanted."""
    center = 0.0 if sigma is None else sigma
    return {
        "SM": lambda v: np.abs(v - center),
        "LM": lambda v: -np.abs(v),
        "SR": lambda v: np.real(v),
        "LR": lambda v: -np.real(v),
        "SI": lambda v: np.imag(v),
        "LI": lambda v: -np.imag(v),
    }[which]


def _distance(values: np.ndarray, target: complex) -> float:
    return float(np.min(np.abs(values - target), initial=np.inf))


def _position(order: np.ndarray, index: int) -> int:
    return int(np.flatnonzero(order == index)[0])


def _edges(pencil: Pencil) -> np.ndarray:
    """Ends of the pieces: break points given, and those that the coefficients show."""
    problem = pencil.problem
    edges = np.unique([*problem.domain, *problem.breakpoints])
    params = np.zeros(problem.structure.p)
    pencil.weights[:] = [1.0, 1.0]

    def zero(j: int, k: int, x: np.ndarray) -> np.ndarray:
        return np.zeros_like(x)

    for piece in zip(edges[:-1], edges[1:], strict=True):
        x, tails = _coefficient_tails(pencil, *piece)
        if tails < 1e-7:
            continue
        # Cells at odd places: a break that is the edge of two cells would be in neither.
        cells = piece[0] + (piece[1] - piece[0]) * np.array([0, *(np.arange(31) + 0.381966) / 31, 1])
        found = [
            find_break(problem, zero, params, None, cell) for cell in zip(cells[:-1], cells[1:], strict=True)
        ]
        new = [f for f in found if f is not None and piece[0] < f < piece[1]]
        edges = np.union1d(edges, new)
    return _without_slivers(edges)


def _coefficient_tails(pencil: Pencil, a: float, b: float) -> tuple[np.ndarray, float]:
    mesh = Mesh(np.array([a, b]), 48, pencil.orders)
    lin = pencil.problem.trace(
        mesh.x, lambda j, k: np.zeros_like(mesh.x), np.zeros(pencil.problem.structure.p)
    )
    rows = [np.broadcast_to(e[3], mesh.x.shape) for e in lin.entries]
    coefs = np.abs(values_to_coefficients(np.array(rows), 1, 1))
    size = np.maximum(np.abs(rows).max(axis=1), 1e-300)
    return mesh.x, float((coefs[:, -6:].max(axis=1) / size).max())


def _without_slivers(edges: np.ndarray) -> np.ndarray:
    """Two break points that are one up to rounding become one."""
    width = edges[-1] - edges[0]
    keep = np.concatenate([[True], np.diff(edges) > 1e-12 * width])
    keep[-1] = True
    edges = edges[keep]
    if edges.size > 2 and edges[-1] - edges[-2] <= 1e-12 * width:
        edges = np.delete(edges, -2)
    return edges


def _meshes(edges: np.ndarray, pencil: Pencil, max_n: int) -> Any:
    """More points on each piece while the matrices are small, then halves of the pieces."""
    per_point = max(1, sum(o >= 0 for o in pencil.orders)) * (edges.size - 1)
    levels = [p for i, p in enumerate(LEVELS) if i < 2 or per_point * p <= MAX_DENSE]
    for p in levels:
        yield Mesh(edges, p, pencil.orders)
    p, parts = 32, max(2, int(np.ceil(levels[-1] * 1.5 / 32)))
    if pencil.problem.structure.nonlocal_terms:
        max_n = min(max_n, MAX_DENSE)  # distant points are coupled: nothing but dense matrices will do
    while parts * p * (edges.size - 1) <= max_n:
        pieces = [
            np.linspace(a, b, parts, endpoint=False) for a, b in zip(edges[:-1], edges[1:], strict=True)
        ]
        yield Mesh(np.concatenate([*pieces, edges[-1:]]), p, pencil.orders)
        parts = int(np.ceil(1.5 * parts))


def _real_pairs(
    chosen: list[tuple[complex, float, np.ndarray]], pencil: Pencil
) -> list[tuple[Any, float, np.ndarray]]:
    """Drop imaginary parts that are rounding: real eigenvalues of real problems have real eigenfunctions."""
    if pencil.dtype is complex or not chosen:
        return chosen
    typical = float(np.mean([abs(v) for v, _, _ in chosen]))
    if any(abs(np.imag(v)) > 1e-8 * max(abs(v), typical) for v, _, _ in chosen):
        return chosen
    out = []
    for value, change, vector in chosen:
        phase = vector[np.argmax(np.abs(vector))]
        real = np.real(vector * (np.conj(phase) / abs(phase)))
        if np.imag(value) < 0:  # the other of a pair that is a double real eigenvalue
            real = np.imag(vector * (np.conj(phase) / abs(phase)))
        out.append((float(np.real(value)), change, real))
    return out


def _orthogonal_clusters(pairs: list, level: Discrete) -> list[tuple[Any, float, State]]:
    """States of unit norm; within a cluster of equal eigenvalues orthogonal to each other."""
    typical = float(np.mean([abs(v) for v, _, _ in pairs])) if pairs else 1.0
    out: list[tuple[Any, float, State]] = []
    kept: list[tuple[Any, np.ndarray, np.ndarray]] = []  # eigenvalue, vector, weighted values
    for value, change, vector in pairs:
        for other, its_vector, its_values in kept:
            if abs(other - value) <= CLUSTER * max(abs(value), typical):
                mine = _weighted_values(level, vector)
                rest = vector - np.vdot(its_values, mine) * its_vector
                if np.linalg.norm(_weighted_values(level, rest)) > SAME * np.linalg.norm(mine):
                    vector = rest  # otherwise a defective eigenvalue: there is no second eigenfunction
        u = _weighted_values(level, vector)
        vector = vector / (np.linalg.norm(u) * _phase(level, vector))
        kept.append((value, vector, _weighted_values(level, vector)))
        out.append((value, change, level.state(vector)))
    return out


def _weighted_values(level: Discrete, vector: np.ndarray) -> np.ndarray:
    """The user's unknowns at points fine enough for products, times square roots of quadrature weights."""
    state, mesh = level.state(vector), level.mesh
    count = 2 * (mesh.p + max(mesh.orders)) + 1
    weights = mesh.half[:, None] * quadrature_weights(count, 2)
    parts = [state.series(j).sample(count)[1] * np.sqrt(weights) for j in range(len(level.pencil.names))]
    return np.concatenate([p.ravel() for p in parts])


def _phase(level: Discrete, vector: np.ndarray) -> complex:
    """Phase of the first unknown's value, from the left, that is a tenth of the largest."""
    state, m = level.state(vector), len(level.pencil.names)
    flat = state.fields()[level.mesh.slot[:m]].ravel()
    first = flat[np.argmax(np.abs(flat) >= 0.1 * np.abs(flat).max())]
    return first / abs(first)


def _series(state: State, j: int) -> ChebSeries:
    return state.series(j).simplify()
