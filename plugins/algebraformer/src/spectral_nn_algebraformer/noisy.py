"""Systems whose data carry noise: which ones the denoiser takes, its estimate, and what that is checked by.

Every decision is made system by system, as if each came alone. The network is not trusted: beside it stands the weighted
least-squares fit of the operator (`operator_fit`), unbiased and with error bars of its own, and an answer of the network
that is farther from it than these allow is replaced by it. That happens where the points do not resolve 1 / K, and
outside the family that the network was trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import denoise, encode
from .checks import refused_words
from .operator_fit import OperatorFit, fit_operator

#: Half-width of a 90 % band of a normal variable, in standard deviations.
Z90 = 1.6448536269514722
#: Standard deviations of the fit, anywhere on the grid, beyond which the network's answer is given up.
FARTHEST = 3.0
#: Noise below which the network is not asked: its own errors, where points do not resolve 1 / K, are then larger than those
#: of the fit (5.6e-5 against 4.4e-5 at σ = 1e-4, median of 2048 test systems), and not what its band was made for.
LEARNED_FROM = 3e-4
#: χ² with 6 degrees of freedom above which an advection or a reaction is no accident (one system in ten million).
STRANGEST = 45.0
#: Noise of A over the stated one, above which that of A is believed, and above which the system is refused.
LOUDER, TOO_LOUD = 1.1, 4.0
#: Noise of A as the middle of the misfits tells it, over what their mean square tells: near 1 if it is normal.
NORMAL_RATIO = (0.8, 1.25)
#: Systems that are fitted together: 0.1 GB.
CHUNK = 256


@dataclass(frozen=True)
class NoisySystems:
    """Noisy matrices, examined; make it with `prepare`.

    Attributes
    ----------
    known : ndarray (B,) of bool
        Which ones the denoiser takes.
    sigma : ndarray (B,)
        Relative noise that is reckoned with: as stated or inferred, and what A shows where that is clearly more.
    note : str
        What the caller should know of the noise, and of systems that were refused.
    single : bool
        Whether A was one matrix.
    """

    A: np.ndarray
    known: np.ndarray
    sigma: np.ndarray
    note: str
    single: bool
    _exponent: np.ndarray
    _parts: tuple[tuple[str, np.ndarray, OperatorFit], ...]  # kind of rows, which systems, their fit


def prepare(A: np.ndarray, noise: float | np.ndarray | str, weights: str) -> NoisySystems:
    """Examine and fit A (n, n) or (B, n, n) with relative noise: a number, (B,), or "estimate".

    Raises
    ------
    ValueError
        If not one of the systems is such as the denoiser was trained on.
    """
    single = A.ndim == 2
    A = A[None] if single else A
    count = len(A)
    _check_weights(A.shape[-1], weights)
    inferred = isinstance(noise, str)
    if isinstance(noise, str) and noise != "estimate":
        raise ValueError(f"noise: expected a relative noise level or 'estimate', got {noise!r}")
    stated = np.full(count, np.nan) if inferred else np.broadcast_to(np.asarray(noise, float), count)
    A, exponent = encode.to_unit_size(A)
    refusals = _Refusals(count)
    everything = np.arange(count)
    low, high = denoise.SIGMAS
    refusals.add(
        everything,
        (stated < 0.99 * low) | (stated > 1.01 * high),
        lambda i: f"noise: the denoiser was trained for σ between {low:g} and {high:g}, got {stated[i]:g}",
    )
    refusals.add(everything, ~encode.is_candidate(A), lambda i: "A: not a second-order collocation matrix")
    refusals.add(
        everything,
        ~_ends_are_given(A),
        lambda i: "A: the denoiser takes u given at both ends; the first and last rows say something else",
    )
    sigma, parts = stated.copy(), []
    left = np.flatnonzero(refusals.fine)
    kinds = encode.kinds_of(A[left])
    for kind in np.unique(kinds):
        of_kind = left[kinds == kind]
        for at in range(0, len(of_kind), CHUNK):
            items = of_kind[at : at + CHUNK]
            fit = _examine(A, stated, sigma, str(kind), items, refusals)
            if fit is not None:
                parts.append((str(kind), items[refusals.fine[items]], fit))
    if not refusals.fine.any():
        raise ValueError(refusals.first)
    note = _note(stated, sigma, refusals)
    return NoisySystems(A, refusals.fine, sigma, note, single, exponent, tuple(parts))


def estimate(
    systems: NoisySystems, b: np.ndarray, weights: str, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise-free solutions for right-hand sides b (m, n), half-widths of their 90 % bands, and who gave them.

    Returns
    -------
    x, band : ndarray (m, n)
        NaN for systems that are not known.
    learned : ndarray (m,) of bool
        Whether the answer is the network's; the others are those of the weighted least-squares fit.
    """
    b, exponent = encode.to_unit_size(b)
    owner = np.zeros(len(b), int) if systems.single else np.arange(len(b))
    x, band = np.full(b.shape, np.nan), np.full(b.shape, np.nan)
    learned = np.zeros(len(b), bool)
    for kind, items, fit in systems._parts:
        rows = np.arange(len(b)) if systems.single else items
        at = np.zeros(len(b), int) if systems.single else np.arange(len(items))
        sigma = systems.sigma[owner[rows]]
        plain, spread = fit.select(at).solve(b[rows])
        deviation = sigma[:, None] * spread
        x[rows], band[rows] = plain, Z90 * deviation + 4e-16 * np.abs(plain)
        asked = np.flatnonzero(sigma >= LEARNED_FROM)
        if not asked.size:
            continue
        rows, deviation = rows[asked], deviation[asked]
        u, half = denoise.answer(weights, systems.A[owner[rows]], b[rows], sigma[asked], device, kind)
        near = (np.abs(u - x[rows]) <= FARTHEST * deviation)[:, 1:-1].all(axis=1)
        learned[rows] = near
        x[rows[near]], band[rows[near]] = u[near], half[near]
    shift = (exponent - systems._exponent[owner])[:, None]
    return np.ldexp(x, shift), np.ldexp(band, shift), learned


class _Refusals:
    """Which systems are still fine, and the reason why the first one is not."""

    def __init__(self, count: int) -> None:
        self.fine = np.ones(count, bool)
        self.first = ""

    def add(self, items: np.ndarray, refused: np.ndarray, sentence: Callable[[int], str]) -> None:
        new = items[refused & self.fine[items]]
        if new.size:
            self.fine[new] = False
            self.first = self.first or sentence(int(new[0]))


def _examine(
    A: np.ndarray, stated: np.ndarray, sigma: np.ndarray, kind: str, items: np.ndarray, refusals: _Refusals
) -> OperatorFit | None:
    """Fit some systems, refuse what is not of the form, and write down the noise to reckon with."""
    low, high = denoise.SIGMAS
    middle = denoise.misfit(A[items], kind)
    bound = np.where(np.isnan(stated), high, stated)
    refusals.add(
        items,
        middle > TOO_LOUD * bound[items] + 1e-6,
        lambda i: f"A: farther from a second-order operator than noise of σ = {bound[i]:g} explains",
    )
    left = refusals.fine[items]
    if not left.any():
        return None
    items, middle = items[left], middle[left]
    fit = fit_operator(A[items], kind)
    shown = fit.sigma
    given = np.isnan(stated[items])
    found = np.where(given, np.maximum(shown, low), stated[items])
    sigma[items] = np.where(shown > LOUDER * found, shown, found)
    refusals.add(
        items,
        fit.strange > STRANGEST * np.maximum(sigma[items], shown) ** 2,
        lambda i: (
            "A: not of the form -(K u')', there is an advection or a reaction in it; the denoiser was trained on "
            "that form alone"
        ),
    )
    ratio = middle / shown
    oddly = (ratio < NORMAL_RATIO[0]) | (ratio > NORMAL_RATIO[1])
    oddly &= given | (
        shown > LOUDER * found
    )  # as it is not the noise that was stated, it should at least be noise
    refusals.add(
        items,
        (shown > TOO_LOUD * found) | (oddly & (shown > low)) | (sigma[items] > LOUDER * high),
        lambda i: f"A: what it differs from -(K u')' by is not relative noise of one level up to {high:g}",
    )
    left = refusals.fine[items]
    return fit.select(left) if left.any() else None


def _ends_are_given(A: np.ndarray) -> np.ndarray:
    ends = np.abs(A[:, [0, -1]])
    at_ends = (ends[:, 0, 0] > 0) & (ends[:, 1, -1] > 0)
    ends[:, 0, 0] = ends[:, 1, -1] = 0.0
    return at_ends & (ends.max(axis=(1, 2)) == 0)


def _check_weights(n: int, weights: str) -> None:
    from .pretrained import check_kind, config

    settings = config(weights)
    check_kind(weights, settings["model"]["kind"], "denoiser")
    sizes = settings["recipe"]["data"]["n"]
    if n not in sizes:
        raise ValueError(
            f"A: the denoiser {weights!r} was trained for n = {', '.join(map(str, sizes))}, got n = {n}"
        )


def _note(stated: np.ndarray, sigma: np.ndarray, refusals: _Refusals) -> str:
    fine = refusals.fine
    parts = []
    inferred = sigma[fine & np.isnan(stated)]
    if inferred.size:
        low, high = float(inferred.min()), float(inferred.max())
        several = f" to {high:.3g}" if high > 1.005 * low else ""
        parts.append(f"Noise inferred from A: σ = {low:.3g}{several}.")
    louder = fine & (sigma > stated)
    if louder.any():
        i = int(np.flatnonzero(louder)[0])
        parts.append(
            f"A carries more noise than stated (σ = {sigma[i]:.3g} instead of {stated[i]:.3g}), which is reckoned with"
            + (f" in {louder.sum()} systems." if louder.sum() > 1 else ".")
        )
    if refusals.first:
        parts.append(f"{refused_words(fine)} because: {refusals.first}.")
    return " ".join(parts)
