"""What a returned solution is worth, judged by its values alone: nothing here asks the solver.

`PlainFunction` stands for an unknown of the operator with numbers instead of a trace, so the operator that
was solved can be evaluated between the solver's points: derivatives by ``result(x, k)``, integrals by Gauss
quadrature on panels of our own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import BarycentricInterpolator

from tests.problems import Problem

GAUSS = 9  # points in a panel
PANELS = 12  # panels in an element of the solver's mesh, crowded at its ends as Chebyshev points are
SHAKE = 1e-6  # relative change of the derivatives that measures the size of an equation's terms


@dataclass(frozen=True)
class Grid:
    """Gauss points x (n,) on panels; `weights` integrate over the domain, `running` from its left end."""

    edges: np.ndarray
    x: np.ndarray
    weights: np.ndarray

    def running(self, values: np.ndarray) -> np.ndarray:
        h = np.diff(self.edges)
        v = np.broadcast_to(values, self.x.shape).reshape(h.size, GAUSS)
        inner = h[:, None] * (v @ _prefix_matrix().T)
        before = np.concatenate([[0.0], np.cumsum(h * (v @ _rule()[1]))[:-1]])
        return (before[:, None] + inner).ravel()


class PlainFunction(np.ndarray):
    """Values of an unknown, or of an expression in unknowns, on a grid, with the verbs of an operator."""

    grid: Grid
    evaluate: Callable[[np.ndarray, int], np.ndarray] | None
    order: int
    shake: float

    @classmethod
    def of(
        cls, evaluate: Callable[[np.ndarray, int], np.ndarray], grid: Grid, order: int = 0, shake: float = 0.0
    ) -> PlainFunction:
        # Factors that differ for every derivative, so that terms that cancel do not cancel when shaken.
        found = ((1 + shake * np.cos(2.4 * order)) * np.asarray(evaluate(grid.x, order))).view(cls)
        found.grid, found.evaluate, found.order, found.shake = grid, evaluate, order, shake
        return found

    def __array_finalize__(self, source: Any) -> None:
        self.grid = getattr(source, "grid", None)  # type: ignore[assignment]
        self.evaluate, self.order, self.shake = None, 0, getattr(source, "shake", 0.0)

    def diff(self, k: int = 1) -> PlainFunction:
        assert self.evaluate is not None
        return PlainFunction.of(self.evaluate, self.grid, self.order + k, self.shake)

    def __call__(self, at: Any) -> Any:
        assert self.evaluate is not None
        return np.asarray(self.evaluate(np.asarray(at, dtype=float), self.order))[()]

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        return self.grid.weights @ np.asarray(self)

    def cumsum(self, *args: Any, **kwargs: Any) -> Any:
        return self.grid.running(np.asarray(self))

    def fredholm(self, kernel: Callable[..., Any]) -> np.ndarray:
        """Panel by panel; the panel that holds x is split there, where a kernel may have a kink."""
        return self._split(kernel, whole=True)

    def volterra(self, kernel: Callable[..., Any]) -> np.ndarray:
        return self._split(kernel, whole=False)

    def _split(self, kernel: Callable[..., Any], whole: bool) -> np.ndarray:
        assert self.evaluate is not None
        t, w = _rule()
        edges, out = self.grid.edges, []
        for s in self.grid.x:
            cuts = np.union1d(edges if whole else edges[edges < s], [s])
            h = np.diff(cuts)[:, None]
            y = cuts[:-1, None] + h * t
            out.append(
                np.sum(h * w * kernel(s, y) * np.asarray(self.evaluate(y.ravel(), 0)).reshape(y.shape))
            )
        return np.array(out)

    def jump(self, x0: float) -> Any:
        assert self.evaluate is not None
        width = 1e-13 * max(1.0, abs(x0), float(np.ptp(self.grid.edges)))
        sides = np.asarray(self.evaluate(np.array([x0 - width, x0 + width]), self.order))
        return sides[1] - sides[0]


def error_of(problem: Problem, result: Any) -> float:
    """Largest error against the reference, over unknowns, points and parameters; 0 where there is none."""
    if not problem.has_reference:
        return 0.0
    x, reference = problem.reference()
    found = np.asarray(result(x))
    assert found.shape == reference.shape, f"result(x) has shape {found.shape}, expected {reference.shape}"
    errors = [float(np.abs(found - reference).max())]
    for name, value in problem.reference_params().items():
        errors.append(abs(complex(result.params[name]) - value))
    return max(errors)


def size_of(problem: Problem, result: Any) -> float:
    """max |u| over the sample points."""
    return float(np.abs(np.asarray(result(problem.sample()))).max())


def equation_residual(problem: Problem, result: Any) -> float:
    """max |op(u) - rhs| over points of our own, in the norm that `solve_bvp` documents.

    On element e of length h, of E on a domain of length L: relative to the terms' size on the element plus
    max(1, L/(E h)) times their mean. Their size is what op(u) changes by when each derivative of u is shaken,
    sum |d op / d u^(k)| |u^(k)|, found by differences.
    """
    grid = evaluation_grid(problem, result)
    exact = _equations(problem, result, grid, 0.0)
    rhs = _right_hand_sides(problem, grid.x, len(exact))
    shaken = [_equations(problem, result, grid, shake) for shake in (SHAKE, -SHAKE)]
    elements = np.searchsorted(np.asarray(result.mesh)[1:-1], grid.x, side="right")
    h, length = np.diff(result.mesh), float(np.ptp(problem.domain))
    share = np.maximum(1.0, length / (h.size * h))
    worst = 0.0
    for i, (values, f) in enumerate(zip(exact, rhs, strict=True)):
        terms = np.abs(shaken[0][i] - shaken[1][i]) / (2 * SHAKE) + np.abs(f)
        largest, wrong = np.zeros(h.size), np.zeros(h.size)
        np.maximum.at(largest, elements, terms)
        np.maximum.at(wrong, elements, np.abs(values - f))
        scale = largest + share * (grid.weights @ terms) / length + 1e-300
        worst = max(worst, float((wrong / scale).max()))
    return worst


def boundary_residual(problem: Problem, result: Any) -> float:
    """Largest violation of a condition, relative to 1 + the size of the unknowns."""
    grid = evaluation_grid(problem, result)
    a, b = problem.domain
    found = []
    for condition, end in ((problem.lbc, a), (problem.rbc, b)):
        found += [abs(v) for v in _end_values(problem, result, condition, end)]
    if problem.bc == "periodic":
        highest = _orders(problem, result)
        for unknown, order in zip(_unknowns(problem, result, grid), highest, strict=True):
            for k in range(order):
                found.append(
                    abs(unknown.diff(k)(a) - unknown.diff(k)(b)) / (1 + np.abs(unknown.diff(k)).max())
                )
    elif problem.bc is not None:
        values = problem.bc(grid.x, *_unknowns(problem, result, grid), **_named(problem.bc, result))
        found += [abs(v) for v in _as_list(values)]
    return float(max(found, default=0.0)) / (1 + size_of(problem, result))


def evaluation_grid(problem: Problem, result: Any) -> Grid:
    """Gauss points in every element of the solution's mesh, so that breaks are respected and layers seen."""
    ends = np.unique(np.concatenate([np.asarray(result.mesh, dtype=float), problem.domain]))
    panels = PANELS if ends.size < 50 else 2
    t = (1 - np.cos(np.pi * np.arange(panels + 1) / panels)) / 2
    edges = np.append((ends[:-1, None] + np.diff(ends)[:, None] * t[:-1]).ravel(), ends[-1])
    nodes, weights = _rule()
    h = np.diff(edges)[:, None]
    return Grid(edges, (edges[:-1, None] + h * nodes).ravel(), (h * weights).ravel())


def _equations(problem: Problem, result: Any, grid: Grid, shake: float) -> list[np.ndarray]:
    values = problem.op(grid.x, *_unknowns(problem, result, grid, shake), **_named(problem.op, result))
    return [np.asarray(v) + np.zeros(grid.x.size) for v in _as_list(values)]


def _right_hand_sides(problem: Problem, x: np.ndarray, m: int) -> list[np.ndarray]:
    rhs = problem.rhs if isinstance(problem.rhs, list | tuple) else [problem.rhs] * m
    return [(f(x) if callable(f) else (f or 0.0)) + np.zeros(x.size) for f in rhs]


def _unknowns(problem: Problem, result: Any, grid: Grid, shake: float = 0.0) -> list[PlainFunction]:
    count = np.asarray(result(grid.x[:2])).reshape(-1, 2).shape[0]
    return [
        PlainFunction.of(_component(result, j, count), grid, 0, shake * (1 + 0.3 * j)) for j in range(count)
    ]


def _component(result: Any, j: int, count: int) -> Callable[[np.ndarray, int], np.ndarray]:
    if count == 1:
        return lambda x, k: result(x, k)
    return lambda x, k: np.asarray(result(x, k))[j]


def _end_values(problem: Problem, result: Any, condition: Any, end: float) -> list[Any]:
    """What must vanish at one end, by the rules of `lbc` and `rbc`: numbers, lists or callables."""
    if condition is None:
        return []
    point = Grid(np.array([end, end]), np.array([end]), np.array([0.0]))
    unknowns = _unknowns_at(result, point)
    if callable(condition):
        return [np.asarray(v).ravel()[0] for v in _as_list(condition(*unknowns, **_named(condition, result)))]
    values = condition if isinstance(condition, list | tuple) else [condition] * len(unknowns)
    if len(unknowns) == 1:
        return [np.asarray(unknowns[0].diff(k)).ravel()[0] - v for k, v in enumerate(values)]
    return [np.asarray(u).ravel()[0] - v for u, v in zip(unknowns, values, strict=True) if v is not None]


def _unknowns_at(result: Any, point: Grid) -> list[PlainFunction]:
    count = np.asarray(result(point.x)).reshape(-1, 1).shape[0]
    return [PlainFunction.of(_component(result, j, count), point) for j in range(count)]


def _orders(problem: Problem, result: Any) -> list[int]:
    """Highest derivative of each unknown that the operator asks for, found by watching it ask."""
    grid = evaluation_grid(problem, result)
    seen: dict[int, int] = {}
    unknowns = []
    for j, plain in enumerate(_unknowns(problem, result, grid)):
        assert plain.evaluate is not None

        def watch(x: np.ndarray, k: int, j: int = j, f: Any = plain.evaluate) -> np.ndarray:
            seen[j] = max(seen.get(j, 0), k)
            return f(x, k)

        unknowns.append(PlainFunction.of(watch, grid))
    problem.op(grid.x, *unknowns, **_named(problem.op, result))
    return [seen.get(j, 0) for j in range(len(unknowns))]


def _named(function: Callable[..., Any], result: Any) -> dict[str, Any]:
    accepted = inspect.signature(function).parameters
    return {name: value for name, value in (result.params or {}).items() if name in accepted}


def _as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _rule() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(GAUSS)
    return (nodes + 1) / 2, weights / 2


def _prefix_matrix() -> np.ndarray:
    """Integrals from 0 to each Gauss point of [0, 1], exact for polynomials through the points."""
    nodes, weights = _rule()
    rows = [c * weights @ BarycentricInterpolator(nodes, np.eye(GAUSS))(c * nodes) for c in nodes]
    return np.array(rows)
