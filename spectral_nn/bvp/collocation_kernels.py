"""Numba kernels of dense collocation: the rows of B matrices, each entry written once."""

from .._numba import njit, prange

# Matrices that one thread fills together: a row of each basis matrix then stays in the first-level cache
# while the same row of several matrices is written.
_GROUP = 8


@njit(cache=True)
def combine_rows(coefficients, basis, out, row, column):
    """out[b, row + r, column + c] = Σ_e coefficients[e, b, r] basis[e, r, c].

    coefficients (E, B, R), basis (E, R, C) real, out (B, N, N) of the type of the coefficients.
    """
    batch = coefficients.shape[1]
    for first in range(0, batch, _GROUP):
        _combine_group(coefficients, basis, out, row, column, first, min(first + _GROUP, batch))


@njit(parallel=True, cache=True)
def combine_rows_threads(coefficients, basis, out, row, column):
    """The same by all threads: for batches that are long in comparison with their start."""
    batch = coefficients.shape[1]
    groups = (batch + _GROUP - 1) // _GROUP
    for g in prange(groups):
        _combine_group(coefficients, basis, out, row, column, g * _GROUP, min((g + 1) * _GROUP, batch))


@njit(cache=True, fastmath={"contract"})
def _combine_group(coefficients, basis, out, row, column, first, last):
    n_terms, _, n_rows = coefficients.shape
    n_columns = basis.shape[2]
    stop = column + n_columns
    quads = first
    if n_terms >= 3:  # four matrices at a time: the basis is read once for all of them
        quads = first + 4 * ((last - first) // 4)
        for b in range(first, quads, 4):
            for r in range(n_rows):
                p0, p1, p2 = basis[0, r], basis[1, r], basis[2, r]
                a0, a1, a2 = coefficients[0, b, r], coefficients[1, b, r], coefficients[2, b, r]
                b0, b1, b2 = coefficients[0, b + 1, r], coefficients[1, b + 1, r], coefficients[2, b + 1, r]
                c0, c1, c2 = coefficients[0, b + 2, r], coefficients[1, b + 2, r], coefficients[2, b + 2, r]
                d0, d1, d2 = coefficients[0, b + 3, r], coefficients[1, b + 3, r], coefficients[2, b + 3, r]
                target_a = out[b, row + r, column:stop]
                target_b = out[b + 1, row + r, column:stop]
                target_c = out[b + 2, row + r, column:stop]
                target_d = out[b + 3, row + r, column:stop]
                for c in range(n_columns):
                    x, y, z = p0[c], p1[c], p2[c]
                    target_a[c] = a0 * x + a1 * y + a2 * z
                    target_b[c] = b0 * x + b1 * y + b2 * z
                    target_c[c] = c0 * x + c1 * y + c2 * z
                    target_d[c] = d0 * x + d1 * y + d2 * z
    for b in range(first, last):
        for r in range(n_rows):
            target = out[b, row + r, column:stop]
            if b >= quads:
                for c in range(n_columns):
                    target[c] = 0.0
            for e in range(3 if b < quads else 0, n_terms):
                s = coefficients[e, b, r]
                p = basis[e, r]
                for c in range(n_columns):
                    target[c] += s * p[c]
