"""What the user states: terms, quadratic, linear constraints. Checked here, once; the solver checks no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from . import checks
from .result import LpResult

Kind = Literal["norm", "power"]


class LpTerm:
    """One term ``weight * ||diag(row_weights) (A x - b)||_p``, or its p-th power.

    The row weights sit inside the norm: kind "power" is ``weight * sum_i |row_weights_i (A x - b)_i|^p``. To write
    ``sum_i c_i |(A x - b)_i|^p`` pass ``row_weights = c**(1/p)``.

    Parameters
    ----------
    A : array or scipy.sparse (m, n)
    b : array (m,), or a number for all rows
    p : float, 1 < p < inf
    weight : float >= 0, default 1
    kind : {"norm", "power"}, default "norm"
    row_weights : array (m,), optional
        Nonnegative. Default: all one.
    groups : array of int (m,), optional
        Rows with the same label form one norm; the term is the sum of the norms: ``weight * sum_g ||r_g||_p``.
        Default: all rows are one group. Meaningless, and refused, with kind "power".
    """

    __slots__ = ("A", "b", "groups", "kind", "p", "row_weights", "weight")

    def __init__(
        self,
        A: Any,
        b: Any,
        p: float,
        weight: float = 1.0,
        kind: Kind = "norm",
        row_weights: Any = None,
        groups: Any = None,
    ) -> None:
        self.A = checks.matrix(A, "A")
        m = self.A.shape[0]
        self.b = checks.vector(b, m, "b", "one entry per row of A")
        self.p = checks.exponent(p)
        self.weight = checks.nonnegative(weight, "weight")
        self.kind = checks.choice(kind, ("norm", "power"), "kind")
        self.row_weights = None if row_weights is None else checks.weights(row_weights, m, "row_weights")
        self.groups = None if groups is None else checks.labels(groups, m, "groups")
        if self.groups is not None and self.kind == "power":
            raise ValueError("groups is for kind='norm'; a power separates over the rows by itself")

    def value(self, x: np.ndarray) -> float:
        """The term at `x` (n,)."""
        r = self.A @ x - self.b
        if self.row_weights is not None:
            r = r * self.row_weights
        r = np.abs(r)
        top = float(r.max(initial=0.0))
        if top == 0.0:
            return 0.0
        if self.kind == "power":
            with np.errstate(over="ignore"):
                return float(self.weight * np.sum((r / top) ** self.p) * np.float64(top) ** self.p)
        if self.groups is None:
            return float(self.weight * top * np.sum((r / top) ** self.p) ** (1 / self.p))
        tops, sums = np.zeros((2, int(self.groups.max()) + 1))
        np.maximum.at(tops, self.groups, r)
        tops[tops == 0.0] = 1.0
        np.add.at(sums, self.groups, (r / tops[self.groups]) ** self.p)
        return float(self.weight * np.sum(tops * sums ** (1 / self.p)))

    def __repr__(self) -> str:
        m, n = self.A.shape
        sparse = "sparse " if sp.issparse(self.A) else ""
        weight = "" if self.weight == 1 else f"{self.weight:g} * "
        power = f"^{self.p:g}" if self.kind == "power" else ""
        return f"LpTerm({weight}||A x - b||_{self.p:g}{power}, A {sparse}{m} x {n})"


class LpProblem:
    """minimize ``sum_t term_t(x) + ridge ||x||^2 + x'Qx/2 + q'x`` subject to ``E x = e, G x <= h, lb <= x <= ub``.

    Parameters
    ----------
    terms : LpTerm or sequence of LpTerm
        All with the same number n of columns. May be empty where Q or ridge is given.
    ridge : float >= 0
    Q : array or scipy.sparse (n, n), optional
        Symmetric positive semidefinite.
    q : array (n,), optional
    E, e : array or scipy.sparse (k, n), array (k,), optional
    G, h : array or scipy.sparse (l, n), array (l,), optional
    lb, ub : array (n,) or number, optional
        Infinite entries mean no bound.
    n : int, optional
        Number of unknowns, where neither terms nor Q tell.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import LpProblem, LpTerm
    >>> rng = np.random.default_rng(0)
    >>> A, b = rng.standard_normal((50, 4)), rng.standard_normal(50)
    >>> problem = LpProblem([LpTerm(A, b, 1.5), LpTerm(np.eye(4), 0.0, 4, weight=0.1)], lb=0)
    >>> result = problem.solve()
    >>> result.success, bool(result.gap <= 1e-9), bool(result.x.min() >= 0)
    (True, True, True)
    """

    def __init__(
        self,
        terms: LpTerm | Sequence[LpTerm],
        *,
        ridge: float = 0.0,
        Q: Any = None,
        q: Any = None,
        E: Any = None,
        e: Any = None,
        G: Any = None,
        h: Any = None,
        lb: Any = None,
        ub: Any = None,
        n: int | None = None,
    ) -> None:
        self.terms = checks.terms(terms, LpTerm)
        self.n = n = checks.unknowns(self.terms, Q, q, n)
        self.ridge = checks.nonnegative(ridge, "ridge")
        self.Q = None if Q is None else checks.semidefinite(Q, n, "Q")
        self.q = None if q is None else checks.vector(q, n, "q", "one entry per unknown")
        self.E, self.e = checks.constraint(E, e, n, "E", "e")
        self.G, self.h = checks.constraint(G, h, n, "G", "h")
        self.lb, self.ub = checks.bounds(lb, ub, n)

    def objective(self, x: np.ndarray) -> float:
        """The objective at `x` (n,), constraints left aside."""
        value = sum(term.value(x) for term in self.terms)
        if self.ridge:
            value += self.ridge * float(x @ x)
        if self.Q is not None:
            value += 0.5 * float(x @ (self.Q @ x))
        if self.q is not None:
            value += float(self.q @ x)
        return float(value)

    def solve(
        self,
        x0: Any = None,
        dual0: Sequence[Any] | None = None,
        tol: float = 1e-9,
        max_iter: int = 200,
        linear_solver: Any = "cholesky",
        start: Callable[[LpProblem], Any] | None = None,
        verbose: int = 0,
        callback: Callable[[dict[str, float]], Any] | None = None,
    ) -> LpResult:
        """Minimize.

        Parameters
        ----------
        x0 : array (n,) or LpResult, optional
            Where to start. A result brings its dual along. It need not be feasible.
        dual0 : sequence of arrays (m_t,), optional
            A dual start, one vector per term, as in ``LpResult.dual``.
        tol : float, default 1e-9
            Relative duality gap ``(fun - dual_fun) / max(|fun|, |dual_fun|)`` at which to stop.
        max_iter : int, default 200
            Newton iterations.
        linear_solver : str or LinearSolver, default "cholesky"
            Who solves the Newton systems. Every answer is checked and, where it is poor, refined or replaced.
        start : callable, optional
            ``start(problem) -> x (n,)`` proposes a start, for instance a learned one. It is compared with the
            least-squares start and dropped where that is better. One that raises, or proposes what is no point, is
            dropped with a warning, and ``result.message`` says so.
        verbose : {0, 1, 2}
            1 logs the outcome, 2 every iteration, to the logger ``spectral_nn`` at level INFO.
        callback : callable, optional
            Called with a dict ``nit, fun, gap, step`` after every iteration; raise StopIteration to stop. A callback,
            like `verbose`, asks for the general Newton iteration also where a compiled one or L-BFGS would be taken.

        Returns
        -------
        LpResult

        Raises
        ------
        ValueError, TypeError
            For arguments that make no sense. Infeasible and unbounded problems, and failures to converge, do not
            raise: they are a status.
        """
        from .minimize import solve_problem

        return solve_problem(self, x0, dual0, tol, max_iter, linear_solver, start, verbose, callback)

    def __repr__(self) -> str:
        parts = [repr(term) for term in self.terms]
        parts += [f"ridge {self.ridge:g}"] if self.ridge else []
        parts += [name for name in ("Q", "q") if getattr(self, name) is not None]
        parts += [f"{self.E.shape[0]} equalities"] if self.E is not None else []
        parts += [f"{self.G.shape[0]} inequalities"] if self.G is not None else []
        parts += [name for name in ("lb", "ub") if getattr(self, name) is not None]
        return f"LpProblem({' + '.join(parts)}, n = {self.n})"
