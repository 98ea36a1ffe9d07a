"""What a noisy matrix says by itself: the operator -(K u')' behind it by weighted least squares, with error bars.

Entries of A carry independent relative noise, so the best linear unbiased estimate of K weighs each entry by the
reciprocal of its size (Gauss-Markov; Aitken 1935). K is a Chebyshev series that is read off the coefficients -K of u''
and -K' of u' at once. The covariance of the estimate, carried through the inverse of the fitted matrix, is the error of
the solution to first order in σ: a band that needs no training, by which the network's answer is checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from spectral_nn.bvp.collocation import row_nodes

from .reference import reference

#: Chebyshev coefficients of K; twice as many readings of K and K' stand in 64 rows.
MODES = 48
#: Coefficients of the advection and of the reaction that should not be there.
STRANGE_MODES = 3
#: Entries below this share of the largest of their row are rounding, not data.
SMALLEST_ENTRY = 1e-8
#: Fits: the first weighs by the noisy entries, the next by those of the fit before, which are without bias.
PASSES = 2


@dataclass(frozen=True)
class OperatorFit:
    """Fitted systems; make it with `fit_operator`.

    Attributes
    ----------
    A : ndarray (B, n, n)
        The matrices of the fitted operators; boundary rows as given.
    inverse : ndarray (B, n, n)
    sigma : ndarray (B,)
        Relative noise of the entries, from the misfit of the fit.
    strange : ndarray (B,)
        Wald statistic of what is not -(K u')' (an advection and a reaction) in units of σ = 1: divided by σ², it is
        χ² with 2 `STRANGE_MODES` degrees of freedom where nothing is.
    """

    A: np.ndarray
    inverse: np.ndarray
    sigma: np.ndarray
    strange: np.ndarray
    _covariance: np.ndarray
    _design: np.ndarray
    _derivatives: np.ndarray

    def select(self, which: np.ndarray) -> OperatorFit:
        """Some systems of a batch, or one several times."""
        return replace(
            self,
            A=self.A[which],
            inverse=self.inverse[which],
            sigma=self.sigma[which],
            strange=self.strange[which],
            _covariance=self._covariance[which],
        )

    def solve(self, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u (B, n) for b (B, n), and its standard deviation (B, n) in units of σ, to first order in σ."""
        u = np.einsum("bij,bj->bi", self.inverse, b)
        slopes = np.einsum("pij,bj->bip", self._derivatives, u)  # u', u'' at the row nodes
        inner = self.inverse[:, :, 1:-1]
        by_mode = inner @ np.einsum("imp,bip->bim", self._design, slopes)
        variance = np.einsum("bnm,bnm->bn", by_mode @ self._covariance, by_mode)
        variance += (inner**2).sum(axis=2) * np.abs(b).max(axis=1, keepdims=True) ** 2
        return u, np.sqrt(np.maximum(variance, 0.0))


def fit_operator(A: np.ndarray, rows: str = "rectangular") -> OperatorFit:
    """Fit -(K u')' to the equations of A (B, n, n), largest entry of each about 1, u given at both ends."""
    n = A.shape[-1]
    table = reference(n, rows)
    design = _design(n, rows)  # (m, modes, 3): what u, u' and u'' are multiplied by
    modes = design.shape[1]
    K_modes = modes - 2 * STRANGE_MODES
    across = np.ascontiguousarray(np.swapaxes(design, 1, 2))  # (m, 3, modes)
    stacked = across.reshape(-1, modes)
    basis = table.basis
    inner = A[:, 1:-1]
    smallest = SMALLEST_ENTRY * np.abs(inner).max(axis=2, keepdims=True)
    fitted = inner
    for _ in range(PASSES):
        weight = 1.0 / np.maximum(np.abs(fitted), smallest) ** 2
        H = np.einsum("pij,qij,bij->bipq", basis, basis, weight, optimize=True)
        g = np.einsum("pij,bij->bip", basis, weight * inner, optimize=True)
        normal = stacked.T @ (H @ across).reshape(len(A), -1, modes)
        right = np.einsum("imp,bip->bm", design, g, optimize=True)
        lead = normal[:, :K_modes, :K_modes]
        K = np.linalg.solve(lead, right[:, :K_modes, None])[..., 0]
        coefficients = np.einsum("imp,bm->bip", design[:, :K_modes], K, optimize=True)
        fitted = np.einsum("bip,pij->bij", coefficients, basis, optimize=True)
    misfit = ((inner - fitted) ** 2 * weight).sum(axis=(1, 2))
    sigma = np.sqrt(misfit / (inner.shape[1] * n - K_modes))
    # the score of the parameters that should be zero; equal to Wald's statistic for linear least squares
    score = right[:, K_modes:] - np.einsum("blm,bm->bl", normal[:, K_modes:, :K_modes], K)
    explained = np.linalg.solve(lead, normal[:, :K_modes, K_modes:])
    schur = normal[:, K_modes:, K_modes:] - normal[:, K_modes:, :K_modes] @ explained
    strange = np.einsum("bl,bl->b", score, np.linalg.solve(schur, score[..., None])[..., 0])
    whole = A.copy()
    whole[:, 1:-1] = fitted
    return OperatorFit(
        whole, np.linalg.inv(whole), sigma, strange, np.linalg.inv(lead), design[:, :K_modes, 1:], basis[1:]
    )


@lru_cache(maxsize=8)
def _design(n: int, rows: str) -> np.ndarray:
    """(m, MODES + 2 STRANGE_MODES, 3): columns for K, then advection, then reaction."""
    nodes = row_nodes(n, 2, rows=rows)
    modes = min(MODES, n - 2)
    T = np.polynomial.chebyshev.chebvander(nodes, modes - 1)
    slopes = np.polynomial.chebyshev.chebder(np.eye(modes))
    dT = np.polynomial.chebyshev.chebval(nodes, slopes).T
    out = np.zeros((n - 2, modes + 2 * STRANGE_MODES, 3))
    out[:, :modes, 2], out[:, :modes, 1] = -T, -dT
    out[:, modes : modes + STRANGE_MODES, 1] = T[:, :STRANGE_MODES]
    out[:, modes + STRANGE_MODES :, 0] = T[:, :STRANGE_MODES]
    return out
