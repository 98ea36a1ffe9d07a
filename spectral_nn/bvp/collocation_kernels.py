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


@njit(cache=True)
def _combine_group(coefficients, basis, out, row, column, first, last):
    n_terms, _, n_rows = coefficients.shape
    n_columns = basis.shape[2]
    for r in range(n_rows):
        for b in range(first, last):
            target = out[b, row + r, column : column + n_columns]
            if n_terms == 0:
                for c in range(n_columns):
                    target[c] = 0.0
            elif n_terms == 1:
                s0 = coefficients[0, b, r]
                p0 = basis[0, r]
                for c in range(n_columns):
                    target[c] = s0 * p0[c]
            elif n_terms == 2:
                s0 = coefficients[0, b, r]
                s1 = coefficients[1, b, r]
                p0 = basis[0, r]
                p1 = basis[1, r]
                for c in range(n_columns):
                    target[c] = s0 * p0[c] + s1 * p1[c]
            else:
                s0 = coefficients[0, b, r]
                s1 = coefficients[1, b, r]
                s2 = coefficients[2, b, r]
                p0 = basis[0, r]
                p1 = basis[1, r]
                p2 = basis[2, r]
                for c in range(n_columns):
                    target[c] = s0 * p0[c] + s1 * p1[c] + s2 * p2[c]
                for e in range(3, n_terms):
                    s0 = coefficients[e, b, r]
                    p0 = basis[e, r]
                    for c in range(n_columns):
                        target[c] += s0 * p0[c]
