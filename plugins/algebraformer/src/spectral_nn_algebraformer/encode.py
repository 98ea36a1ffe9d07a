"""From a system A x = b to what a network sees, and back.

`precondition` turns second-order collocation systems into M x = P b with M = P A = I + (compact), free of the units of
the rows of A, of the length of the interval and of the size of the coefficients; `features` writes M and the
coefficients of A as n tokens with a width that does not depend on n: token i is column i of M - I by its first Chebyshev
coefficients, with the local coefficients of the operator, its boundary conditions and its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .reference import LEVELS, ROWS, Reference, reference

#: Below this determinant of the (scaled) boundary conditions on the homogeneous solutions, L is singular with them.
SMALLEST_DETERMINANT = 0.05
#: Below this share of u'' in the size of a row, dividing by its coefficient divides by rounding.
SMALLEST_SHARE = 1e-8
#: Chebyshev coefficients of each column that go into its token.
MODES = 16


@dataclass(frozen=True)
class Encoded:
    """A batch of preconditioned systems.

    Attributes
    ----------
    P : ndarray (B, n, n)
        ``P @ b`` is the right-hand side of the preconditioned system.
    M : ndarray (B, n, n)
        P A.
    coefficients : ndarray (B, n - 2, 2)
        a1 / a2 and a0 / a2 at the row nodes, on the interval [-1, 1].
    boundary : ndarray (B, 4)
        (α, β) of both conditions α u + β u', scaled to length 1.
    level : ndarray (B,)
        k² of the reference operator.
    misfit : ndarray (B,)
        How far A is from a second-order operator with two separated conditions, relative; 0 is exact.
    table : Reference
    """

    P: np.ndarray
    M: np.ndarray
    coefficients: np.ndarray
    boundary: np.ndarray
    level: np.ndarray
    misfit: np.ndarray
    table: Reference


def precondition(A: np.ndarray, rows: str = "rectangular") -> Encoded:
    """Read the operator off A and multiply by the inverse of its reference operator.

    Parameters
    ----------
    A : ndarray (B, n, n)
        Rows in the order of the interval: left condition, equations, right condition.
    rows : {"rectangular", "interior"}

    Raises
    ------
    ValueError
        If some A has no second derivative anywhere, or conditions of which one is zero or both are the same.
    """
    table = reference(A.shape[-1], rows)
    inner = A[:, 1:-1]
    symbol = np.einsum("kij,bij->bki", table.symbol, inner, optimize=True)  # (B, 3, n - 2)
    a2 = symbol[:, 2]
    conditions = A[:, [0, -1]]
    norms = np.linalg.norm(conditions, axis=2)
    if not is_candidate(A).all():
        raise ValueError("A: not a second-order collocation matrix with two boundary conditions")
    coefficients = np.stack([symbol[:, 1] / a2, symbol[:, 0] / a2], axis=-1)
    conditions = conditions / norms[:, :, None]
    boundary = _boundary(conditions, table)
    level = _level(coefficients[:, :, 1], conditions, table)

    P = np.empty_like(A)
    for k2 in np.unique(level):
        at = np.flatnonzero(level == k2)
        interior, homogeneous = table.inverse(float(k2))
        hb = np.linalg.solve(conditions[at] @ homogeneous, np.eye(2)[None])  # (b, 2, 2)
        lift = homogeneous @ hb  # (b, n, 2)
        P[at, :, 1:-1] = (interior - lift @ (conditions[at] @ interior)) / a2[at][:, None, :]
        P[at, :, :1] = lift[:, :, :1] / norms[at, 0][:, None, None]
        P[at, :, -1:] = lift[:, :, 1:] / norms[at, 1][:, None, None]
    return Encoded(
        P, P @ A, coefficients, boundary, level, _misfit(A, symbol, conditions, boundary, table), table
    )


def is_candidate(A: np.ndarray) -> np.ndarray:
    """Which of A (B, n, n) are finite, and have a second derivative in every row and two conditions; (B,) bool.

    The cheap test before `precondition`, which raises for those that fail it.
    """
    finite = np.isfinite(A).all(axis=(1, 2))
    table = reference(A.shape[-1])
    with np.errstate(all="ignore"):
        a2 = np.einsum("ij,bij->bi", table.symbol[2], A[:, 1:-1], optimize=True)
        share = np.abs(a2) * np.linalg.norm(table.basis[2], axis=1) / np.linalg.norm(A[:, 1:-1], axis=2)
        lengths = np.linalg.norm(A[:, [0, -1]], axis=2)
        ends = np.linalg.norm(A[:, 0], axis=1) > 0
        conditions = A[:, [0, -1]] / lengths[:, :, None]
        along = np.abs(np.einsum("bj,bj->b", conditions[:, 0], conditions[:, 1]))
        return (
            finite & ends & (share.min(axis=1) > SMALLEST_SHARE) & (lengths > 0).all(axis=1) & (along < 0.999)
        )


def select(encoded: Encoded, which: np.ndarray) -> Encoded:
    """Some systems of a batch."""
    e = encoded
    return Encoded(
        e.P[which],
        e.M[which],
        e.coefficients[which],
        e.boundary[which],
        e.level[which],
        e.misfit[which],
        e.table,
    )


def features(encoded: Encoded, modes: int = MODES) -> np.ndarray:
    """Tokens (B, n, `width`(modes)), float32."""
    table, M = encoded.table, encoded.M
    batch, n = len(M), table.n
    local = _local(table.upsample @ encoded.coefficients)
    # a column of an integral operator is its kernel times a quadrature weight
    columns = np.zeros((batch, n, modes))  # a grid of fewer points than modes has no more coefficients
    columns[..., :n] = (
        np.einsum("kj,bji->bik", table.analysis[:modes], M, optimize=True) - table.analysis[:modes].T
    )
    columns /= np.maximum(table.weights, table.weights[1])[:, None]
    place = np.stack([table.x, np.arccos(-table.x) / np.pi, table.x**2], axis=1)
    whole = np.concatenate([encoded.boundary, np.log1p(encoded.level)[:, None]], axis=1)
    return np.concatenate(
        [
            local,
            np.arcsinh(columns),
            np.broadcast_to(place, (batch, n, 3)),
            np.broadcast_to(whole[:, None, :], (batch, n, 5)),
        ],
        axis=-1,
    ).astype(np.float32)


def width(modes: int = MODES) -> int:
    """Width of the tokens of `features`."""
    return modes + 16


def rows_of(A: np.ndarray) -> str:
    """Which collocation rows A (n, n) has: those that it fits better."""
    return str(kinds_of(A[None])[0])


def kinds_of(A: np.ndarray) -> np.ndarray:
    """Which collocation rows each of A (B, n, n) has, (B,) of str."""
    fits = []
    inner = A[:, 1:-1]
    for rows in ROWS:
        table = reference(A.shape[-1], rows)
        symbol = np.einsum("kij,bij->bki", table.symbol, inner, optimize=True)
        fits.append(
            np.linalg.norm(inner - np.einsum("bki,kij->bij", symbol, table.basis, optimize=True), axis=(1, 2))
        )
    return np.array(ROWS)[np.argmin(fits, axis=0)]


def to_unit_size(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """values (m, ...) times powers of two that bring the largest entry of each of m to [0.5, 1), and their exponents (m,).

    Exact, and what keeps squares and products of entries like 1e±300 from overflow.
    """
    size = np.abs(values).reshape(len(values), -1)
    largest = np.where(np.isfinite(size), size, 0.0).max(axis=1, initial=0.0)
    exponent = np.frexp(largest)[1]
    return np.ldexp(values, -exponent.reshape(-1, *(1,) * (values.ndim - 1))), exponent


def _local(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients and WKB rates (B, n, 8): exp(∫ rate) are the homogeneous solutions where coefficients vary slowly."""
    c1, c0 = coefficients[..., 0], coefficients[..., 1]
    root = np.sqrt(np.maximum(0.25 * c1**2 - c0, 0.0))
    rates = np.stack([-0.5 * c1 + root, -0.5 * c1 - root], axis=-1)
    return np.concatenate(
        [np.arcsinh(coefficients), coefficients / (30.0, 300.0), np.arcsinh(rates), rates / 20.0], axis=-1
    )


def _boundary(conditions: np.ndarray, table: Reference) -> np.ndarray:
    """(α, β) of both conditions, from what they do to 1 and x; sign fixed by α, then β."""
    out = np.empty((len(conditions), 4))
    for side, end in ((0, -1.0), (1, 1.0)):
        alpha = conditions[:, side].sum(axis=1)
        beta = conditions[:, side] @ table.x - end * alpha
        length = np.maximum(np.hypot(alpha, beta), 1e-300)
        first = np.where(np.abs(alpha) > 1e-9 * length, alpha, beta)
        sign = np.where(first < 0, -1.0, 1.0)
        out[:, 2 * side] = sign * alpha / length
        out[:, 2 * side + 1] = sign * beta / length
    return out


def _level(c0: np.ndarray, conditions: np.ndarray, table: Reference) -> np.ndarray:
    """The level of k² next to the mean of -a0/a2, and high enough for L to be regular."""
    mean = 0.5 * np.maximum(-c0, 0.0) @ (table.weights @ table.upsample)
    levels = np.array(LEVELS)
    index = np.where(
        mean < 0.5, 0, np.clip(np.rint(np.log(np.maximum(mean, 1.0)) / np.log(4.0)) + 1, 1, None)
    )
    index = np.minimum(index, len(levels) - 1).astype(int)
    _, lines = table.inverse(0.0)
    at_ends = conditions @ lines
    at_ends /= np.maximum(np.linalg.norm(at_ends, axis=2, keepdims=True), 1e-300)
    singular = np.abs(np.linalg.det(at_ends)) < SMALLEST_DETERMINANT
    return levels[np.where(singular, np.maximum(index, 1), index)]


def _misfit(
    A: np.ndarray, symbol: np.ndarray, conditions: np.ndarray, boundary: np.ndarray, table: Reference
) -> np.ndarray:
    rest = A[:, 1:-1] - np.einsum("bki,kij->bij", symbol, table.basis, optimize=True)
    inner = np.linalg.norm(rest, axis=(1, 2)) / np.linalg.norm(A[:, 1:-1], axis=(1, 2))
    # conditions have length 1, their two numbers too; compare directions
    fitted = np.einsum("bsk,skn->bsn", boundary.reshape(-1, 2, 2), table.ends)
    fitted /= np.linalg.norm(fitted, axis=2, keepdims=True)
    along = np.abs(np.einsum("bsn,bsn->bs", fitted, conditions))
    return np.maximum(inner, np.sqrt(np.maximum(1.0 - along, 0.0)).max(axis=1))
