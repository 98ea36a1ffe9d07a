"""y' = f(x, y, p) + S y / (x − a) with bc(y(a), y(b), p) = 0, as the mesh solver wants to see a problem.

It asks a problem for residuals and partial derivatives at nodes (`trace`) and for linearized conditions;
where `spectral_nn.BVP` traces an operator, here the callables are evaluated, and differentiated by central
differences unless Jacobians are given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..bvp.conditions import Condition, Surroundings
from ..bvp.trace import Linearization, Structure

#: Step of central differences relative to the variable: balances eps / h against h².
STEP = float(np.finfo(float).eps) ** (1 / 3)
#: A variable is taken to be of this size, relative to its largest value over the nodes, where it is smaller.
FLOOR = 1e-3
# : Entries of the array that one call of fun gets while it is differentiated (16 MB): all perturbations of as
# many : variables as fit are evaluated together, as further nodes.
BATCH = 2_000_000


class FirstOrderProblem:
    """n first-order equations with k unknown parameters; takes the place of a `spectral_nn.BVP`."""

    linear = False
    consistent: Sequence[int] = ()
    breakpoints: tuple[float, ...] = ()
    rhs: Any = 0.0
    _bc = True  # conditions that are tied to both ends

    def __init__(
        self,
        fun: Callable,
        bc: Callable,
        domain: tuple[float, float],
        n: int,
        p: np.ndarray,
        S: np.ndarray | None,
        fun_jac: Callable | None,
        bc_jac: Callable | None,
        dtype: type,
    ):
        self.domain, self.n, self.k, self.S, self.dtype = domain, n, p.size, S, dtype
        self._fun, self._bc_residual, self._fun_jac, self._bc_jac = fun, bc, fun_jac, bc_jac
        self.complex = dtype is complex
        self.params = {f"p[{i}]": value for i, value in enumerate(p)}
        self.names = tuple(f"y[{i}]" for i in range(n))
        self.structure = Structure(n, p.size, orders=[1] * n, linear=False)

    def f(self, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Right-hand sides (n, m), the singular term included."""
        value = self.check(self._fun(x, y, p) if self.k else self._fun(x, y), (self.n, x.size), "fun")
        if self.S is not None:
            value = value + self.S @ y / (x - self.domain[0])
        return value

    def bc(self, ya: np.ndarray, yb: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Residuals of the conditions (n + k,)."""
        value = self._bc_residual(ya, yb, p) if self.k else self._bc_residual(ya, yb)
        return self.check(value, (self.n + self.k,), "bc")

    def check(self, value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
        """What a callable returned, as an array of the right shape and type."""
        value = np.asarray(value)
        if value.shape != shape:
            raise ValueError(f"{name}: expected a return value of shape {shape}, got {value.shape}")
        if value.dtype.kind not in "biufc":
            raise TypeError(f"{name}: expected numbers, got dtype {value.dtype}")
        if value.dtype.kind == "c" and not self.complex:
            raise ValueError(
                f"{name}: returned complex numbers for a real problem; give y with a complex dtype"
            )
        return value.astype(self.dtype, copy=False)

    def trace(
        self,
        x: np.ndarray,
        fields: Callable[[int, int], Any],
        params: Sequence[Any],
        rhs: Any = None,
        *,
        values_only: bool = False,
        discover: bool = False,
    ) -> Linearization:
        """y' − f and its partial derivatives at nodes x, around ``fields(j, k)``."""
        y: np.ndarray = np.array(
            [np.broadcast_to(fields(j, 0), x.shape) for j in range(self.n)], dtype=self.dtype
        )
        p: np.ndarray = np.asarray(params, dtype=self.dtype)
        f = self.f(x, y, p)
        residual = [fields(j, 1) - f[j] for j in range(self.n)]
        if rhs is not None:
            residual = [r - s for r, s in zip(residual, rhs, strict=True)]
        entries: list[tuple[int, int, int, Any]] = []
        param_entries: list[tuple[int, int, Any]] = []
        if not values_only:
            df_dy, df_dp = self.jacobians(x, y, p)
            entries = [(i, i, 1, 1.0) for i in range(self.n)]
            for i, j in np.argwhere(df_dy.any(axis=2)).tolist():
                entries.append((i, j, 0, -df_dy[i, j]))
            for i, q in np.argwhere(df_dp.any(axis=2)).tolist():
                param_entries.append((i, q, -df_dp[i, q]))
        return Linearization(x, residual, entries, param_entries, False, [], {})

    def conditions(self, around: Surroundings, discover: bool = False) -> list[Condition]:
        """The residuals of bc with their derivatives."""
        a, b = self.domain
        ends = [[around.at(j, 0, e) for j in range(self.n)] for e in (a, b)]
        ya, yb = (self.check(y, (self.n,), "y") for y in ends)
        p: np.ndarray = np.asarray(around.params, dtype=self.dtype)
        values = self.bc(ya, yb, p)
        d_ya, d_yb, d_p = self.bc_jacobians(ya, yb, p)
        out = []
        for i, value in enumerate(values):
            points = [(a, int(j), 0, d_ya[i, j]) for j in np.flatnonzero(d_ya[i])]
            points += [(b, int(j), 0, d_yb[i, j]) for j in np.flatnonzero(d_yb[i])]
            scale = 1.0 + float(np.abs(d_ya[i] * ya).sum() + np.abs(d_yb[i] * yb).sum())
            if self.k:
                scale += float(np.abs(d_p[i] * p).sum())
            params = [(int(q), d_p[i, q]) for q in np.flatnonzero(d_p[i])]
            out.append(Condition(value, f"bc[{i}]", False, points, [], params, scale))
        return out

    def jacobians(self, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """df/dy (n, n, m) and df/dp (n, k, m), the singular term included."""
        n, m, k = self.n, x.size, self.k
        if self._fun_jac is not None:
            given = self._fun_jac(x, y, p) if k else self._fun_jac(x, y)
            parts: Sequence[Any] = given if k else (given,)
            if k and (not isinstance(given, tuple | list) or len(given) != 2):
                raise ValueError("fun_jac: expected (df_dy, df_dp) for a problem with parameters")
            df_dy = self.check(parts[0], (n, n, m), "fun_jac")
            df_dp = self.check(parts[1], (n, k, m), "fun_jac") if k else np.zeros((n, 0, m), self.dtype)
        else:
            df_dy, df_dp = self._differences_in_y(x, y, p), self._differences_in_p(x, y, p)
        if self.S is not None:
            df_dy = df_dy + self.S[:, :, None] / (x - self.domain[0])
        return df_dy, df_dp

    def bc_jacobians(self, ya: np.ndarray, yb: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, ...]:
        """dbc/dya (n + k, n), dbc/dyb (n + k, n), dbc/dp (n + k, k)."""
        n, k = self.n, self.k
        if self._bc_jac is not None:
            given = self._bc_jac(ya, yb, p) if k else self._bc_jac(ya, yb)
            if not isinstance(given, tuple | list) or len(given) != 2 + bool(k):
                raise ValueError(f"bc_jac: expected a tuple of {2 + bool(k)} arrays")
            parts = [self.check(g, (n + k, w), "bc_jac") for g, w in zip(given, (n, n, k), strict=False)]
            return tuple(parts) if k else (*parts, np.zeros((n, 0), self.dtype))
        variables = np.concatenate([ya, yb, p])
        jacobian: np.ndarray = np.empty((n + k, variables.size), self.dtype)
        for j, h in enumerate(_steps(variables)):
            moved = [variables.copy(), variables.copy()]
            moved[0][j] += h
            moved[1][j] -= h
            plus, minus = (self.bc(v[:n], v[n : 2 * n], v[2 * n :]) for v in moved)
            jacobian[:, j] = (plus - minus) / (moved[0][j] - moved[1][j])
        return jacobian[:, :n], jacobian[:, n : 2 * n], jacobian[:, 2 * n :]

    def _differences_in_y(self, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Central differences; the perturbed states are further nodes of the same few calls."""
        n, m = self.n, x.size
        out: np.ndarray = np.empty((n, n, m), self.dtype)
        largest = np.abs(y).max(axis=1, keepdims=True, initial=0.0)
        largest[largest == 0] = 1.0
        h = STEP * np.maximum(np.abs(y), FLOOR * largest)
        together = max(1, BATCH // (2 * n * m))
        for first in range(0, n, together):
            js = range(first, min(first + together, n))
            moved = np.tile(y[:, None, :], (1, 2 * len(js), 1))
            for c, j in enumerate(js):
                moved[j, 2 * c] += h[j]
                moved[j, 2 * c + 1] -= h[j]
            f = self._bare(np.tile(x, 2 * len(js)), moved.reshape(n, -1), p).reshape(n, 2 * len(js), m)
            for c, j in enumerate(js):
                step = moved[j, 2 * c] - moved[j, 2 * c + 1]
                out[:, j] = _quotient(f[:, 2 * c], f[:, 2 * c + 1], step, lambda: self._bare(x, y, p))
        return out

    def _differences_in_p(self, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        out: np.ndarray = np.empty((self.n, self.k, x.size), self.dtype)
        for q, h in enumerate(_steps(p)):
            moved = [p.copy(), p.copy()]
            moved[0][q] += h
            moved[1][q] -= h
            plus, minus = self._bare(x, y, moved[0]), self._bare(x, y, moved[1])
            out[:, q] = (plus - minus) / (moved[0][q] - moved[1][q])
        return out

    def _bare(self, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """fun alone: the singular term's derivative is known exactly."""
        with np.errstate(all="ignore"):
            return self.check(self._fun(x, y, p) if self.k else self._fun(x, y), (self.n, x.size), "fun")


def _steps(variables: np.ndarray) -> np.ndarray:
    size = np.abs(variables)
    largest = size.max(initial=0.0) or 1.0
    return STEP * np.maximum(size, FLOOR * largest)


def _quotient(plus: np.ndarray, minus: np.ndarray, step: np.ndarray, middle: Callable) -> np.ndarray:
    """Central difference; one-sided where one side is not finite (a root at the edge of its domain)."""
    value = (plus - minus) / step
    bad = ~np.isfinite(value)
    if bad.any():
        here = middle()
        forward, backward = (plus - here) / (0.5 * step), (here - minus) / (0.5 * step)
        value = np.where(bad, np.where(np.isfinite(forward), forward, backward), value)
    return value
