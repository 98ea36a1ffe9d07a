"""Numba: fields, block assembly and evaluation on a mesh of elements.

Notation: element e has left end t[e], half length half[e], reference variable tau = 2 (x - t[e]) / h in [0, 2]. Unknown j of
order d is given by its highest derivative at p nodes, W[e, j, :], and its state Z[e, zoff[j] + k] = u_j^(k)(t[e]), k < d.
V[r] (q, p) takes nodal values to the r-fold integral from the left end at q points of the reference element.
"""

from __future__ import annotations

import numpy as np

from .._numba import njit


@njit(cache=True)
def fields(Z, W, half, orders, zoff, slot, V, tau, out):
    """out[slot[j] + k, e, q] = u_j^(k) at the points tau of every element."""
    E, m, p = W.shape
    nq = tau.shape[0]
    for j in range(m):
        d = orders[j]
        for k in range(d + 1):
            r = d - k
            for e in range(E):
                h = half[e]
                scale = h**r
                target = out[slot[j] + k, e]
                for q in range(nq):
                    s = W[e, j, 0] * V[r, q, 0]
                    for i in range(1, p):
                        s += W[e, j, i] * V[r, q, i]
                    s *= scale
                    step = h * tau[q]
                    term = 1.0
                    for i in range(r):
                        s += Z[e, zoff[j] + k + i] * term
                        term *= step / (i + 1)
                    target[q] = s


@njit(cache=True)
def assemble(
    t,
    half,
    orders,
    zoff,
    V,
    right,
    tau,
    ei,
    ej,
    ek,
    ec,
    pi,
    pp,
    pc,
    residual,
    jumps,
    F,
    Z,
    W,
    lam,
    blocks,
    rhs,
    row_scale,
):
    """Blocks (E, R, C) and right-hand sides (E, R) of a Newton step; rows are scaled to size one.

    ei, ej, ek, ec (n, E, p): partial derivatives of equation ei with respect to u_ej^(ek). pi, pp, pc: the same for the scalar
    unknowns. jumps (E, D): 1 + index of the scalar that is the jump of a state behind element e, or 0. F (G, E, D + m p):
    functionals that are accumulated along the mesh.
    """
    E, m, p = W.shape
    D, P, G = Z.shape[1], lam.shape[0], F.shape[0]
    S = D + P + G
    mp = m * p
    for e in range(E):
        B = blocks[e]
        B[:] = 0.0
        h = half[e]
        for n in range(ei.shape[0]):
            j, k = ej[n], ek[n]
            d = orders[j]
            r = d - k
            base, first = ei[n] * p, S + j * p
            if r == 0:
                for q in range(p):
                    B[base + q, first + q] += ec[n, e, q]
            else:
                scale = h**r
                for q in range(p):
                    c = ec[n, e, q]
                    if c != 0.0:
                        cs = c * scale
                        for s in range(p):
                            B[base + q, first + s] += cs * V[r, q, s]
                        step = h * tau[q]
                        for i in range(r):
                            B[base + q, zoff[j] + k + i] += c
                            c *= step / (i + 1)
        for n in range(pi.shape[0]):
            for q in range(p):
                B[pi[n] * p + q, D + pp[n]] += pc[n, e, q]
        # Rows are judged with each unknown scaled to the size of its function: w ~ u / h^d, z_k ~ u / h^k.
        for i in range(m):
            for q in range(p):
                row = i * p + q
                size = 0.0
                for j in range(m):
                    factor = h ** (-orders[j])
                    for s in range(p):
                        size = max(size, abs(B[row, S + j * p + s]) * factor)
                    for k in range(orders[j]):
                        size = max(size, abs(B[row, zoff[j] + k]) * h ** (-k))
                for n in range(P):
                    size = max(size, abs(B[row, D + n]))
                scale = 1.0 / size if size > 0.0 else 1.0
                for c in range(S + mp):
                    B[row, c] *= scale
                rhs[e, row] = -residual[i, e, q] * scale
                row_scale[e, row] = scale
        for j in range(m):
            d = orders[j]
            for k in range(d):
                row = mp + zoff[j] + k
                weight = h**k
                defect = Z[e + 1, zoff[j] + k]
                term = weight
                for i in range(d - k):
                    B[row, zoff[j] + k + i] = -term
                    defect -= term / weight * Z[e, zoff[j] + k + i]
                    term *= 2.0 * h / (i + 1)
                r = d - k
                scale = h**r
                for s in range(p):
                    B[row, S + j * p + s] = -weight * scale * right[r, s]
                    defect -= scale * right[r, s] * W[e, j, s]
                B[row, S + mp + zoff[j] + k] = weight
                if jumps[e, zoff[j] + k] > 0:
                    n = jumps[e, zoff[j] + k] - 1
                    B[row, D + n] = -weight
                    defect -= lam[n]
                rhs[e, row] = -weight * defect
        for n in range(P + G):
            row = mp + D + n
            B[row, D + n] = -1.0
            B[row, S + mp + D + n] = 1.0
            rhs[e, row] = 0.0
        for g in range(G):
            row = mp + D + P + g
            for c in range(D):
                B[row, c] -= F[g, e, c]
            for c in range(mp):
                B[row, S + c] -= F[g, e, D + c]


@njit(cache=True)
def unpack(x, Z, W, lam, D, S):
    """Split a solution of the block system into states, highest derivatives and scalars."""
    E, m, p = W.shape
    step = S + m * p
    for e in range(E):
        at = e * step
        for c in range(D):
            Z[e, c] = x[at + c]
        for j in range(m):
            for q in range(p):
                W[e, j, q] = x[at + S + j * p + q]
    for c in range(D):
        Z[E, c] = x[E * step + c]
    for n in range(lam.shape[0]):
        lam[n] = x[E * step + D + n]


@njit(cache=True)
def highest_at(coefs, t, element, x, out):
    """out[j, i] = w_j(x[i]) in the given elements, from Chebyshev coefficients (E, m, p)."""
    _, m, p = coefs.shape
    for i in range(x.shape[0]):
        e = element[i]
        xi = 2.0 * (x[i] - t[e]) / (t[e + 1] - t[e]) - 1.0
        for j in range(m):
            out[j, i] = _clenshaw(coefs[e, j], p, xi)


@njit(cache=True)
def states_at(coefs, Z, t, orders, zoff, element, x, out):
    """out[i, zoff[j] + k] = u_j^(k)(x[i]), k < d_j, in the given elements."""
    _, m, p = coefs.shape
    largest = 0
    for j in range(m):
        largest = max(largest, orders[j])
    a = np.empty(p + largest + 1, dtype=coefs.dtype)
    for i in range(x.shape[0]):
        e = element[i]
        half = 0.5 * (t[e + 1] - t[e])
        xi = (x[i] - t[e]) / half - 1.0
        for j in range(m):
            d = orders[j]
            n = p
            a[:p] = coefs[e, j]
            for r in range(1, d + 1):
                _integrate(a, n)
                n += 1
                s = _clenshaw(a, n, xi) * half**r
                term = 1.0
                k = d - r
                for c in range(r):
                    s += Z[e, zoff[j] + k + c] * term
                    term *= (x[i] - t[e]) / (c + 1)
                out[i, zoff[j] + k] = s


@njit(cache=True)
def _integrate(a, n):
    """Chebyshev coefficients of the antiderivative that vanishes at -1, in place: n become n + 1."""
    previous = a[0]
    total = 0.0 * a[0]
    for k in range(1, n + 1):
        following = a[k + 1] if k + 1 < n else 0.0 * a[0]
        current = a[k] if k < n else 0.0 * a[0]
        new = (2.0 * previous - following) * 0.5 if k == 1 else (previous - following) / (2.0 * k)
        previous = current
        a[k] = new
        total += -new if k % 2 else new
    a[0] = -total


@njit(cache=True)
def _clenshaw(a, n, xi):
    b1 = 0.0 * a[0]
    b2 = 0.0 * a[0]
    for k in range(n - 1, 0, -1):
        b1, b2 = a[k] + 2.0 * xi * b1 - b2, b1
    return a[0] + xi * b1 - b2
