"""`BVP`: a boundary value problem as the user states it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .problem import Problem
from .trace import Linearization

if TYPE_CHECKING:
    from ..linear import LinearSystem
    from .result import BVPResult


class BVP(Problem):
    """A two-point boundary value problem op(x, u, …) = rhs with conditions, stated once and solved as often as needed.

    Parameters
    ----------
    op : callable
        ``op(x, u, v, …)`` returns one expression or a list of as many as there are unknowns. ``x`` is a plain array;
        ``u.diff(k)``, ``u(x0)``, ``u(x/2)``, ``u.sum()``, ``u.cumsum()``, ``u.jump(x0)``, ``u.fredholm(K)``,
        ``u.volterra(K)``, arithmetic and NumPy's elementwise functions are understood.
    domain : pair of float
        The interval, a < b, finite.
    lbc, rbc : number, str, list or callable, optional
        Conditions at the left and right end. A number: every unknown has this value. A list: for one unknown
        the values of (u, u', …); for several one entry each (a number, a list, or None). A callable of the unknowns:
        expressions that must vanish. "dirichlet", "neumann": zero value, zero slope.
    bc : callable or "periodic", optional
        ``bc(x, u, …)`` returns expressions that must vanish: ``u(0.3) - 1``, ``u.sum()``, ``u(0) - u(1)``.
    params : dict of str to number, optional
        Unknown scalars with their guesses: extra arguments, after the functions and by these names, of `op` and of those
        conditions that name them. Each needs one more condition.
    rhs : number, callable of x, or list of those
        Right-hand sides, default 0.
    unknowns : int, optional
        Number of unknown functions where the signature does not tell: ``lambda x, *u: …``; with a single argument
        besides x the operator then gets a tuple.
    breakpoints : sequence of float
        Points inside the domain where coefficients jump or kink. Those not given are found.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was expected and what came.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import BVP
    >>> problem = BVP(lambda x, u: u.diff(2) + u, (0, np.pi / 2), lbc=0, rbc=1)
    >>> round(float(problem.solve()(np.pi / 6)), 12)
    0.5
    """

    def solve(self, rhs: Any = None, guess: Any = None, **options: Any) -> BVPResult:
        """Solve; the options are those of `spectral_nn.solve_bvp` from `tol` on."""
        from .solve import solve

        return solve(self, rhs=rhs, guess=guess, **options)

    def discretize(self, n: int = 64, **options: Any) -> LinearSystem:
        """The dense collocation system of a linear problem at n points, see `spectral_nn.bvp.collocation`."""
        from .collocation import discretize

        return discretize(self, n, **options)

    def linearize(self, u: Any = 0.0, x: Any = None, params: Sequence[float] | None = None) -> Linearization:
        """Residual and exact partial derivatives of the operator at points x around given functions.

        Parameters
        ----------
        u : number, callable, ChebSeries, BVPResult, or list of those
            Where to linearize; callables are made into Chebyshev series first.
        x : array (n,), optional
            Default: 32 Chebyshev points.
        params : sequence of float, optional
            Values of the scalar unknowns; default their guesses.
        """
        from ..chebyshev.grid import points
        from .guess import as_series

        series = as_series(u, self)
        x = points(32, 1, self.domain) if x is None else np.atleast_1d(np.asarray(x, dtype=float))
        values = list(self.params.values()) if params is None else list(params)
        return self.trace(x, lambda j, k: series[j](x, k), values + [0.0] * len(self.structure.scalars))

    def eigs(self, k: int = 6, **options: Any) -> Any:
        """Eigenvalues and eigenfunctions of a linear operator, see `spectral_nn.bvp.eigs.eigs`."""
        from .eigs import eigs

        return eigs(self, k, **options)
