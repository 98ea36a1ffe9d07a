"""Dense Chebyshev collocation on one interval: matrices for small n, for learned solvers, and for batches.

Unknowns are the values of each function at Chebyshev points of the second kind, left to right. The equations
are collocated where there are as many points as unknowns less conditions:

    rows="rectangular"  at Chebyshev points of the first kind, by rectangular differentiation matrices
                        (T. A. Driscoll, N. Hale, "Rectangular spectral collocation", IMA J. Numer. Anal. 36
                        (2016), 108-132): no equation is thrown away, any conditions will do;
    rows="interior"     at the inner points of the grid, conditions taking the place of the end points' rows
                        (L. N. Trefethen, "Spectral methods in MATLAB", 2000): the classical form, and the one
                        that learned solvers were first described for.

The rows of a matrix stand in the order of the interval:

    [ left conditions                        ]
    [ equation 1 at its points, left to right]
    [ equation 2 …                           ]
    [ conditions that belong to neither end  ]
    [ right conditions                       ]

so that for a second-order equation in the classical form row i belongs to grid point i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..chebyshev.grid import points, to_reference
from ..chebyshev.matrices import differentiation, interpolation, resampling

ROWS = ("rectangular", "interior")
#: Entries from which all threads fill a batch: below, waking them costs more than they save.
THREADS_FROM = 4_000_000
#: Basis matrices kept: a solve doubles n a few times, a data generator stays at one n.
_CACHED_BASES = 32


def grid(n: int, domain: Sequence[float] = (-1.0, 1.0)) -> np.ndarray:
    """Chebyshev points of the second kind, ascending, both ends included: shape (n,)."""
    return points(n, 2, _pair(domain))


def row_nodes(
    n: int, order: int, domain: Sequence[float] = (-1.0, 1.0), rows: str = "rectangular"
) -> np.ndarray:
    """Points (n - order,) at which the equation is collocated: where its coefficients are to be evaluated."""
    _check_layout(n, order, rows)
    if rows == "interior":
        return grid(n, domain)[(order + 1) // 2 : n - order // 2]
    return points(n - order, 1, _pair(domain))


def row_basis(
    n: int,
    order: int,
    domain: Sequence[float] = (-1.0, 1.0),
    rows: str = "rectangular",
    count: int | None = None,
) -> np.ndarray:
    """Differentiation matrices from the grid to the row nodes.

    Parameters
    ----------
    n : int
        Number of grid points.
    order : int
        Highest derivative d.
    domain : pair of float
    rows : {"rectangular", "interior"}
    count : int, optional
        Number of row nodes, by default n - d.

    Returns
    -------
    ndarray, shape (d + 1, count, n)
        ``row_basis(...)[k] @ u(grid) = u^(k)(row nodes)`` for every polynomial u of degree below n.
    """
    _check_layout(n, order, rows)
    return _cached_row_basis(n, order, n - order if count is None else count, *_pair(domain), rows)


def functional(n: int, k: int, x0: float, domain: Sequence[float] = (-1.0, 1.0)) -> np.ndarray:
    """The row r (n,) with ``r @ u(grid) = u^(k)(x0)``."""
    return _cached_functional(n, k, float(x0), *_pair(domain))


def assemble(
    coefficients: Mapping[tuple[int, int, int], Any],
    *,
    n: int,
    orders: Sequence[int] = (2,),
    domain: Sequence[float] = (-1.0, 1.0),
    rows: str = "rectangular",
    left: np.ndarray | None = None,
    middle: np.ndarray | None = None,
    right: np.ndarray | None = None,
    parameters: Mapping[tuple[int, int], Any] | None = None,
    n_parameters: int = 0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Collocation matrices of Σ_jk a_ijk u_j^(k) (+ Σ_p c_ip λ_p), one or a batch.

    Parameters
    ----------
    coefficients : mapping (i, j, k) -> array_like
        Coefficient of u_j^(k) in equation i at the R = n - max(orders) row nodes: a number, (R,), or
        (B, R) or (B, 1) for a batch.
    n : int
        Grid points of the functions of highest order; a function of order d_j has R + d_j points.
    orders : sequence of int
        Highest derivative of each function.
    domain : pair of float
    rows : {"rectangular", "interior"}
        See the module's docstring; "interior" needs functions of one order.
    left, middle, right : ndarray (q, N) or (B, q, N), optional
        Condition rows (`functional` makes their parts), N = Σ_j (R + d_j) + n_parameters.
    parameters : mapping (i, p) -> array_like, optional
        Coefficient of the unknown number p in equation i at the row nodes.
    n_parameters : int
        Columns for unknown numbers, behind those of the functions.
    out : ndarray (B, N, N), optional
        Filled and returned: saves the memory's first touch where batches follow each other.

    Returns
    -------
    ndarray, shape (N, N), or (B, N, N) if any coefficient or row comes in a batch
    """
    orders = tuple(int(d) for d in orders)
    if rows == "interior" and len(set(orders)) > 1:
        raise ValueError(f"rows: 'interior' needs functions of one order, got orders {orders}")
    n_rows = n - max(orders)
    sizes = [n_rows + d for d in orders]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n_equations = 1 + max((i for i, _, _ in coefficients), default=0)
    parameters = parameters or {}
    conditions = [
        _condition_rows(c, name) for c, name in ((left, "left"), (middle, "middle"), (right, "right"))
    ]
    total = int(starts[-1]) + n_parameters
    _check_square(conditions, n_equations * n_rows, total)

    batch = _batch_size(
        [*coefficients.values(), *parameters.values()], [c for c in conditions if c is not None]
    )
    dtype = np.result_type(
        float, *coefficients.values(), *parameters.values(), *[c for c in conditions if c is not None]
    )
    matrix = output(out, batch, total, dtype)

    row = _fill(matrix, conditions[0], 0)
    for i in range(n_equations):
        for j, d in enumerate(orders):
            terms = sorted(k for (ii, jj, k) in coefficients if (ii, jj) == (i, j))
            basis = row_basis(n_rows + d, d, domain, rows)[terms]
            stacked = _stack([coefficients[i, j, k] for k in terms], matrix.shape[0], n_rows, dtype)
            combine(stacked, basis, matrix, row, int(starts[j]))
        for p in range(n_parameters):
            matrix[:, row : row + n_rows, starts[-1] + p] = parameters.get((i, p), 0.0)
        row += n_rows
    row = _fill(matrix, conditions[1], row)
    _fill(matrix, conditions[2], row)
    return matrix if batch is not None else matrix[0]


def second_order_batch(
    a2: Any,
    a1: Any,
    a0: Any,
    n: int,
    domain: Sequence[float] = (-1.0, 1.0),
    left_bc: Any = (1.0, 0.0),
    right_bc: Any = (1.0, 0.0),
    rows: str = "rectangular",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Matrices of a2 u'' + a1 u' + a0 u with Robin conditions, for many coefficients at once.

    The short way from coefficients to matrices for those who make data: no trace, one kernel.

    Parameters
    ----------
    a2, a1, a0 : array_like, (B, n - 2) or what broadcasts to it
        Coefficients at ``row_nodes(n, 2, domain, rows)``.
    n : int
        Grid points, and the size of each matrix.
    domain : pair of float
    left_bc, right_bc : array_like (2,) or (B, 2)
        (α, β) of the conditions α u + β u' = c in the first and the last row.
    rows : {"rectangular", "interior"}
    out : ndarray (B, n, n), optional
        Filled and returned.

    Returns
    -------
    ndarray, shape (B, n, n)
        With right-hand sides ``[c_left, f(row nodes), c_right]``.

    Examples
    --------
    u'' = -k² u with u(0) = 0, u(1) = sin k for three wave numbers k at once:

    >>> import numpy as np
    >>> from spectral_nn.bvp.collocation import grid, second_order_batch
    >>> k = np.array([[1.0], [2.0], [5.0]])
    >>> A = second_order_batch(1.0, 0.0, k**2 * np.ones(22), 24, domain=(0, 1))
    >>> b = np.zeros((3, 24)); b[:, -1] = np.sin(k[:, 0])
    >>> u = np.linalg.solve(A, b[..., None])[..., 0]
    >>> bool(np.abs(u - np.sin(k * grid(24, (0, 1)))).max() < 1e-11)
    True
    """
    parts = [np.asarray(a) for a in (a0, a1, a2)]
    ends = [np.asarray(left_bc), np.asarray(right_bc)]
    for name, end in zip(("left_bc", "right_bc"), ends, strict=True):
        if end.shape[-1:] != (2,) or end.ndim > 2:
            raise ValueError(f"{name}: expected (alpha, beta) of shape (2,) or (B, 2), got shape {end.shape}")
    batch = max([p.shape[0] for p in parts if p.ndim == 2] + [e.shape[0] for e in ends if e.ndim == 2] + [1])
    dtype = np.result_type(float, *parts, *ends)
    matrix = output(out, batch, n, dtype)
    basis = row_basis(n, 2, domain, rows)
    combine(_stack(parts, batch, n - 2, dtype), basis, matrix, 1, 0)
    for end, row, x0 in ((ends[0], 0, domain[0]), (ends[1], n - 1, domain[1])):
        matrix[:, row] = end @ np.stack([functional(n, k, x0, domain) for k in (0, 1)])
    return matrix


def combine(coefficients: np.ndarray, basis: np.ndarray, matrix: np.ndarray, row: int, column: int) -> None:
    """Write Σ_e coefficients[e, b, r] basis[e, r, :] into matrix (B, N, N), from (row, column) on.

    Parameters
    ----------
    coefficients : ndarray (E, B, R)
    basis : ndarray (E, R, C)
    matrix : ndarray (B, N, N)
    """
    n_terms, batch, n_rows = coefficients.shape
    n_columns = basis.shape[2]
    if batch == 1:  # one matrix: NumPy is fast enough, and Numba need not be loaded
        block = matrix[0, row : row + n_rows, column : column + n_columns]
        block[...] = 0.0
        for a, p in zip(coefficients[:, 0], basis, strict=True):
            block += a[:, None] * p
        return
    from .._numba import may_run_parallel
    from . import collocation_kernels as kernels

    long = batch * n_rows * n_columns > THREADS_FROM and may_run_parallel()
    fill = kernels.combine_rows_threads if long else kernels.combine_rows
    fill(coefficients, np.ascontiguousarray(basis), matrix, row, column)


def _pair(domain: Sequence[float]) -> tuple[float, float]:
    return float(domain[0]), float(domain[1])


def _check_layout(n: int, order: int, rows: str) -> None:
    if rows not in ROWS:
        raise ValueError(f"rows: expected one of {ROWS}, got {rows!r}")
    if n <= order or n < 2:
        raise ValueError(f"n: expected at least {max(order + 1, 2)} points for order {order}, got {n}")


@lru_cache(maxsize=8 * _CACHED_BASES)
def _cached_functional(n: int, k: int, x0: float, a: float, b: float) -> np.ndarray:
    t = to_reference(np.array([x0]), (a, b))
    row = (interpolation(t, n, 2) @ differentiation(n, k, 2))[0] * (2.0 / (b - a)) ** k
    row.flags.writeable = False
    return row


@lru_cache(maxsize=_CACHED_BASES)
def _cached_row_basis(n: int, order: int, count: int, a: float, b: float, rows: str) -> np.ndarray:
    if rows == "interior":
        inner = slice((n - count + 1) // 2, n - (n - count) // 2)
        basis = np.stack([differentiation(n, k, 2)[inner] for k in range(order + 1)])
    else:
        down = resampling(count, n, 1, 2)
        basis = np.stack([down @ differentiation(n, k, 2) for k in range(order + 1)])
    basis *= ((2.0 / (b - a)) ** np.arange(order + 1))[:, None, None]
    basis.flags.writeable = False
    return basis


def _condition_rows(rows: Any, name: str) -> np.ndarray | None:
    if rows is None:
        return None
    rows = np.asarray(rows)
    if rows.ndim not in (2, 3):
        raise ValueError(f"{name}: expected condition rows of shape (q, N) or (B, q, N), got {rows.shape}")
    return rows if rows.shape[-2] else None


def _check_square(conditions: Sequence[np.ndarray | None], n_equation_rows: int, total: int) -> None:
    given = [c for c in conditions if c is not None]
    count = sum(c.shape[-2] for c in given)
    if any(c.shape[-1] != total for c in given):
        widths = sorted({c.shape[-1] for c in given})
        raise ValueError(f"left, middle, right: expected rows of {total} unknowns, got {widths}")
    if n_equation_rows + count != total:
        raise ValueError(
            f"left, middle, right: expected {total - n_equation_rows} condition rows for {total} unknowns "
            f"and {n_equation_rows} equation rows, got {count}"
        )


def _batch_size(coefficients: Sequence[Any], rows: Sequence[np.ndarray]) -> int | None:
    sizes = [np.shape(a)[0] for a in coefficients if np.ndim(a) == 2] + [
        r.shape[0] for r in rows if r.ndim == 3
    ]
    if not sizes:
        return None
    batch = max(sizes)
    if any(size not in (1, batch) for size in sizes):
        raise ValueError(f"coefficients: expected one batch size, got {sorted(set(sizes))}")
    return batch


def output(out: np.ndarray | None, batch: int | None, total: int, dtype: Any) -> np.ndarray:
    shape = (batch or 1, total, total)
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out: expected shape {shape} and dtype {dtype}, got {out.shape} and {out.dtype}")
    return out


def _stack(parts: Sequence[Any], batch: int, n_rows: int, dtype: Any) -> np.ndarray:
    stacked = np.empty((len(parts), batch, n_rows), dtype)
    for e, part in enumerate(parts):
        stacked[e] = part
    return stacked


def _fill(matrix: np.ndarray, rows: np.ndarray | None, row: int) -> int:
    if rows is None:
        return row
    matrix[:, row : row + rows.shape[-2]] = rows
    return row + rows.shape[-2]
