"""The answers to a stack of systems as they improve: as rows, each with its errors and its status."""

from __future__ import annotations

from typing import Any

import numpy as np

from .interface import LinearSolution, LinearStatus
from .residual import TrueResidual

#: An answer this many times larger than the row-scaled data is a null vector of A, not a solution: rounding
#: alone then perturbs it by 5 %. (LU and QR find singular matrices by themselves; this is for all others.)
MAX_GROWTH = 0.05 / float(np.finfo(float).eps)

_OK, _SINGULAR, _RAW = LinearStatus.CONVERGED, LinearStatus.SINGULAR, LinearStatus.UNCERTIFIED


class Items:
    """b as given (n,), (n, k), (B, n) and as rows (items, n)."""

    __slots__ = ("is_batch", "single")

    def __init__(self, is_batch: bool, b: np.ndarray) -> None:
        self.is_batch, self.single = is_batch, b.ndim == 1

    def stack(self, b: np.ndarray) -> np.ndarray:
        return b if self.is_batch else b[None, :] if self.single else b.T

    def unstack(self, rows: np.ndarray) -> np.ndarray:
        return rows if self.is_batch else rows[0] if self.single else rows.T

    def of(self, items: np.ndarray) -> Any:
        """Index into what is per system: all right-hand sides share one."""
        return items if self.is_batch else slice(None)


class Answers:
    """The answers so far, as rows, with their errors and states."""

    def __init__(self, b: np.ndarray, truth: TrueResidual, dtype: np.dtype) -> None:
        self.given, self.truth = b, truth
        m, n = b.shape
        dtype = np.result_type(dtype, b.dtype)
        finite_b = np.isfinite(b).all(axis=1)
        self.usable = finite_b & (truth.finite if truth.is_batch else np.full(m, truth.all_finite))
        self.b = b if self.usable.all() else np.where(self.usable[:, None], b, 0.0)
        self.x = np.full((m, n), np.nan, dtype)
        self.R = np.zeros((m, n), dtype)
        self.eta, self.omega = np.full(m, np.inf), np.full(m, np.inf)
        self.status = np.full(m, int(_RAW))
        self.status[~self.usable] = LinearStatus.NONFINITE_INPUT
        self.eta[~self.usable] = np.nan
        self.refinements = np.zeros(m, int)
        self.fell_back = np.zeros(m, bool)
        self.iterations = 0
        self.x_error: np.ndarray | None = None
        self.noise: Any = None  # as stated or inferred: None, a number, or one per item
        self.explained = np.zeros(m, bool)  # by the noise

    def undetermined(self) -> np.ndarray:
        """Items (m,) whose error band is as large as the answer."""
        if self.x_error is None:
            return np.zeros(len(self.x), bool)
        return self.x_error.max(axis=1) >= np.abs(self.x).max(axis=1)

    def _index(self, items: np.ndarray) -> Any:
        return items if self.truth.is_batch else slice(None)

    def take_raw(self, raw: LinearSolution, items: np.ndarray) -> None:
        self.x[items] = raw.x
        self.R[items], self.eta[items], self.omega[items] = self.truth.judge(
            self.b[items], self.x[items], self._index(items)
        )
        own = np.full(len(items), int(raw.status)) if raw.items is None else raw.items.status
        self.status[items] = np.where(own == _SINGULAR, own, int(_RAW))
        self.iterations = raw.iterations
        self._take_band(items, raw.x_error)

    def accept(self, items: np.ndarray, rtol: float) -> None:
        good = items[(self.omega[items] <= rtol) & (self.status[items] == _RAW)]
        growth = self.truth.growth(self.b[good], self.x[good], self._index(good))
        self.status[good] = np.where(growth <= MAX_GROWTH, int(_OK), int(_SINGULAR))

    def pending(self, rtol: float) -> np.ndarray:
        """Items not yet accepted, singular ones too."""
        return np.flatnonzero(self.usable & (self.status != _OK) & (self.status != LinearStatus.NOISE_LEVEL))

    def replace(self, items: np.ndarray, X: np.ndarray, band: np.ndarray | None, status: np.ndarray) -> None:
        """Take over what another solver made of noisy data."""
        self.x[items] = X
        self.R[items], self.eta[items], self.omega[items] = self.truth.judge(
            self.b[items], X, self._index(items)
        )
        self.status[items], self.fell_back[items] = status, True
        self._take_band(items, band)

    def _take_band(self, items: np.ndarray, band: np.ndarray | None) -> None:
        if band is None:
            return
        if self.x_error is None:
            self.x_error = np.full(self.x.shape, np.nan)
        self.x_error[items] = band

    def try_correction(self, items: np.ndarray, D: np.ndarray, rtol: float) -> None:
        """x += D where that lowers the error."""
        X = self.x[items] + D
        R, eta, omega = self.truth.judge(self.b[items], X, self._index(items))
        self._replace(items, X, R, eta, omega)
        self.accept(items, rtol)

    def offer(
        self, items: np.ndarray, X: np.ndarray, status: np.ndarray, rtol: float, was_singular: bool
    ) -> bool:
        """Answers of another solver: taken where they are better, or where there was none."""
        status = np.broadcast_to(status, items.shape)
        R, eta, omega = self.truth.judge(self.b[items], X, self._index(items))
        singular = (self.status[items] == _SINGULAR) | was_singular
        taken = self._replace(items, X, R, eta, omega, always=status == _OK)
        self.fell_back[taken] = True
        good = (status == _OK) & ~singular
        self.status[items] = np.where(
            good, int(_OK), np.where(singular | (status == _SINGULAR), int(_SINGULAR), self.status[items])
        )
        return bool(taken.size)

    def _replace(
        self,
        items: np.ndarray,
        X: np.ndarray,
        R: np.ndarray,
        eta: np.ndarray,
        omega: np.ndarray,
        always: np.ndarray | None = None,
    ) -> np.ndarray:
        better = omega < self.omega[items]
        if always is not None:
            better = better | always
        taken = items[better]
        self.x[taken], self.R[taken] = X[better], R[better]
        self.eta[taken], self.omega[taken] = eta[better], omega[better]
        return taken

    def final_status(self, rtol: float, raw_only: bool) -> np.ndarray:
        status = self.status.copy()
        open_ = status == _RAW
        broken = open_ & ~np.isfinite(self.omega)
        status[broken] = LinearStatus.BREAKDOWN
        if raw_only:
            status[status == _OK] = _RAW
        else:
            status[open_ & ~broken] = LinearStatus.NOT_CONVERGED
        return status
