"""The residual Algebraformer in the slot of spectral_nn. This module imports no torch; `factor` does.

    solve_bvp(..., linear_solver="algebraformer")
    solve_linear(A, b, solver="algebraformer")

A network is asked once per matrix. What it says is never trusted: `certify` of the core computes the true residual of
every answer, refines, and falls back to a direct solver where that does not help.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from spectral_nn.linear import ItemReports, LinearSolution, LinearStatus, Traits, matrix_of

from . import encode
from .checks import refused_words
from .noisy import LEARNED_FROM, NoisySystems, estimate, prepare
from .reference import LEVELS, ROWS, reference
from .spd_solver import LinearTransformer, check_options

__all__ = ["Algebraformer", "AlgebraformerDiffusion", "LinearTransformer", "approximate_inverses"]

#: Sizes that the default weights are used for. They were trained for 24 to 128 points, and measured beyond.
SIZES = tuple(range(16, 257))
#: A matrix that is farther than this from a second-order operator is not shown to the network.
LARGEST_MISFIT = 1e-3
#: Loops run while each gains this factor at least; two that do not end them (the rest is left to certify).
LOOP_GAIN = 0.7
#: Loops at most: a contraction by five reaches rounding in twenty.
MAX_LOOPS = 24
#: Columns whose loops gained less than this go on by GMRES, in cycles of so many steps at most.
ACCELERATE_ABOVE, CYCLES, KRYLOV_STEPS = 1e-8, 2, 30
#: Tokens that go through the network together: activations that stay in the second-level cache.
CHUNK_TOKENS = 2048


@dataclass(frozen=True)
class Algebraformer:
    """Residual Algebraformer for second-order collocation systems, with error bars where the data are noisy.

    Parameters
    ----------
    weights : str
        Shipped weights by name, or a folder of your own.
    loops : int or None
        Residual loops; None runs them until they stop gaining.
    device : str
        Where the network runs; systems and loops stay float64 on the CPU.
    precision : {"float32", "bfloat16", "auto"}
        Of the network; "auto" is bfloat16 where the processor multiplies it natively.
    noise_weights : str
        Weights of the denoiser, which answers where a noise level is stated.

    Raises
    ------
    ValueError
        For an option that cannot be.

    Notes
    -----
    Rows must stand in the order of the interval (left condition, equations, right condition), as the discretization of
    spectral_nn has them. What is not such a system is refused by `factor` with a ValueError, which makes the slot fall
    back.
    """

    weights: str = "elliptic"
    loops: int | None = None
    device: str = "cpu"
    precision: str = "float32"
    noise_weights: str = "noise-diffusion-64"
    sizes: tuple[int, ...] = field(default=SIZES, repr=False)
    name: ClassVar[str] = "algebraformer"

    @property
    def traits(self) -> Traits:
        """Read without torch."""
        return Traits(
            summary="residual Algebraformer (learned), second-order collocation systems",
            batched=True,
            dtypes=("float64",),
            sizes=self.sizes,
            device=self.device,
            requires=("torch", "safetensors"),
            noise=True,
        )

    def __post_init__(self) -> None:
        check_options(self.weights, self.loops, self.device)
        if self.precision not in ("float32", "bfloat16", "auto"):
            raise ValueError(f"precision: expected 'float32', 'bfloat16' or 'auto', got {self.precision!r}")

    def factor(self, A: Any, noise: Any = None) -> _State | NoisySystems:
        """Show A (n, n) or (B, n, n) to the network: one approximate inverse each.

        With `noise`, the relative noise of the entries (a number, or (B,), or "estimate" to infer it from A), nothing is
        inverted: `solve` then gives the denoiser's estimate of the noise-free solution and the half-widths of its 90 %
        band.
        """
        matrix = np.asarray(matrix_of(A), dtype=float)
        if noise is not None:
            return prepare(matrix, noise, self.noise_weights)
        single = matrix.ndim == 2
        matrices, exponent = encode.to_unit_size(matrix[None] if single else matrix)
        P, W = np.zeros_like(matrices), np.zeros_like(matrices)
        known = np.zeros(len(matrices), bool)
        for items, encoded in _encoded(matrices, getattr(A, "meta", {}).get("rows")):
            W[items] = approximate_inverses(self.weights, encoded, self.device, self.precision)
            P[items] = encoded.P
            known[items] = True
        return _State(matrices, P, W, known, exponent, single)

    def solve(self, state: _State | NoisySystems, b: np.ndarray) -> LinearSolution:
        """Loop on the exact residual for b (n,), (n, k) or, for a batch, (B, n)."""
        right = np.asarray(b, dtype=float)
        rows = right if not state.single else right[None] if right.ndim == 1 else right.T
        if isinstance(state, NoisySystems):
            return self._estimate(state, rows, right)
        rows, exponent = encode.to_unit_size(rows)
        columns = rows.T[None] if state.single else rows[:, :, None]
        x, loops = _loop(state, columns, self.loops)
        x = x[0].T if state.single else x[:, :, 0]
        x = np.ldexp(x, (exponent - state.exponent)[:, None])
        items, message = None, LinearStatus.UNCERTIFIED.sentence
        if not state.known.all():
            x[~state.known] = np.nan
            items = _reports(state.known)
            message = f"{refused_words(state.known)} because: no second-order collocation matrix with two separated conditions."
        return LinearSolution(
            _like(x, right, state.single), solver=self.name, message=message, iterations=loops, items=items
        )

    def _estimate(self, state: NoisySystems, rows: np.ndarray, b: np.ndarray) -> LinearSolution:
        x, band, learned = estimate(state, rows, self.noise_weights, self.device)
        known = state.known[0] if state.single else state.known
        fitted = int((known & ~learned).sum())
        note = state.note
        if fitted:
            who = "The answer is" if len(rows) == 1 else f"{fitted} of {len(rows)} answers are"
            note += (
                f" {who} that of the weighted least-squares fit of -(K u')': it is more accurate than the network below "
                f"σ = {LEARNED_FROM:g}, and above where the two are farther apart than noise explains."
            )
        return LinearSolution(
            _like(x, b, state.single),
            solver=self.name,
            message=note.strip() or LinearStatus.UNCERTIFIED.sentence,
            x_error=_like(band, b, state.single),
            items=None if state.known.all() else _reports(state.known),
            noise=float(state.sigma[0]) if state.single else state.sigma,
        )

    def warm_up(self, n: int | Sequence[int] = 64, batch: int = 1, noise: bool = False) -> float:
        """Load torch and weights, make the tables for every n, solve one batch each; returns the seconds that took.

        The first solve of each size pays for this otherwise.

        Parameters
        ----------
        n : int or sequence of int
            Sizes that will be solved.
        batch : int
            Systems at once.
        noise : bool
            Whether to load the denoiser too; it is run at those of the sizes that it serves.

        Examples
        --------
        >>> from spectral_nn_algebraformer import Algebraformer
        >>> seconds = Algebraformer().warm_up(n=(32, 64), noise=True)
        """
        from spectral_nn import solve_linear
        from spectral_nn.linear import krylov  # noqa: F401

        from . import data, denoise
        from .pretrained import config

        began = time.perf_counter()
        noisy_sizes = config(self.noise_weights)["recipe"]["data"]["n"] if noise else []
        for size in [n] if isinstance(n, int) else n:
            for rows in ROWS:
                for level in LEVELS:
                    reference(size, rows).inverse(level)
            A, b = data.systems("diffusion", size, data.draw(0, "test", 0, batch))
            for solver in (self, "lu"):  # and what takes over where need be
                solve_linear(A, b[:, :, 0], solver=solver)
            if size in noisy_sizes:
                sigma = np.full(batch, 1e-3)
                solve_linear(*denoise.add_noise(A, b[:, :, 0], sigma, 0, "test", 0), solver=self, noise=1e-3)
        return time.perf_counter() - began


@dataclass(frozen=True)
class AlgebraformerDiffusion(Algebraformer):
    """The same, trained on -(K u')' = f with u(±1) = 0 at n = 64 alone (the first experiment of the paper)."""

    weights: str = "diffusion-64"
    sizes: tuple[int, ...] = field(default=(64,), repr=False)
    name: ClassVar[str] = "algebraformer_diffusion"


def approximate_inverses(
    weights: str, encoded: encode.Encoded, device: str = "cpu", precision: str = "float32"
) -> np.ndarray:
    """What the network says for preconditioned systems: W (B, n, n), float64."""
    import torch

    from .objectives import grid_tensors
    from .pretrained import load_network
    from .train import autocast_dtype

    network: Any = load_network(weights, device, kind="green")
    tables = {k: v.to(device) for k, v in grid_tensors(encoded.table.n).items()}
    tokens = torch.from_numpy(encode.features(encoded, network.config.modes))
    dtype = autocast_dtype(precision, device)
    out = np.empty_like(encoded.M)
    chunk = max(CHUNK_TOKENS // encoded.table.n, 1) if device == "cpu" else len(tokens)
    with (
        torch.inference_mode(),
        torch.autocast(device.split(":")[0], dtype or torch.bfloat16, enabled=dtype is not None),
    ):
        for at in range(0, len(tokens), chunk):
            W = network(tokens[at : at + chunk].to(device), tables["integral"], tables["weights"])
            out[at : at + chunk] = W.float().cpu().numpy()
    return out


@dataclass(frozen=True)
class _State:
    """Matrices of unit size with their powers of two, preconditioners and approximate inverses, zero where not known."""

    A: np.ndarray
    P: np.ndarray
    W: np.ndarray
    known: np.ndarray
    exponent: np.ndarray
    single: bool


def _encoded(matrices: np.ndarray, rows: str | None) -> list[tuple[np.ndarray, encode.Encoded]]:
    """Precondition the systems that are of the family, by kind of rows; ValueError if there is none."""
    candidates = np.flatnonzero(encode.is_candidate(matrices))
    if not candidates.size:
        raise ValueError(
            "A: not a second-order collocation matrix with separated conditions, rows in order of x"
        )
    kinds = np.full(len(candidates), rows) if rows in ROWS else encode.kinds_of(matrices[candidates])
    out, nearest = [], np.inf
    for kind in np.unique(kinds):
        items = candidates[kinds == kind]
        encoded = encode.precondition(matrices[items], str(kind))
        fits = encoded.misfit <= LARGEST_MISFIT
        nearest = min(nearest, float(encoded.misfit.min()))
        if fits.any():
            out.append((items[fits], encoded if fits.all() else encode.select(encoded, fits)))
    if not out:
        raise ValueError(
            f"A: farther than {LARGEST_MISFIT:g} from a second-order collocation matrix (misfit {nearest:.1e}); this "
            "solver was trained on those alone"
        )
    return out


def _like(rows: np.ndarray, b: np.ndarray, single: bool) -> np.ndarray:
    """Answers as rows (m, n) to the shape of b."""
    return rows if not single else rows[0] if b.ndim == 1 else rows.T


def _reports(known: np.ndarray) -> ItemReports:
    status = np.where(known, LinearStatus.UNCERTIFIED, LinearStatus.UNSUPPORTED).astype(int)
    return ItemReports(status, np.zeros(len(known), int), np.zeros(len(known), bool))


def _loop(state: _State, b: np.ndarray, loops: int | None) -> tuple[np.ndarray, int]:
    """x (B, n, k) by x ← x + W P (b - A x), keeping the best iterate of every column."""
    best = np.zeros_like(b)
    residual = state.P @ b
    first = np.abs(residual).max(axis=1, keepdims=True)
    x, smallest, stalled, done = best.copy(), first.copy(), 0, 0
    while done < (MAX_LOOPS if loops is None else loops):
        with np.errstate(over="ignore", invalid="ignore"):
            x = x + state.W @ residual
            residual = state.P @ (b - state.A @ x)
            size = np.abs(residual).max(axis=1, keepdims=True)
        better = size < smallest
        best = np.where(better, x, best)
        done += 1
        stalled = 0 if (size < LOOP_GAIN * smallest).any() else stalled + 1
        smallest = np.fmin(smallest, size)
        if loops is None and (stalled >= 2 or not smallest.any()):
            break
    if loops is not None:
        return x, done
    item, column = np.nonzero((smallest > ACCELERATE_ABOVE * first)[:, 0])
    if item.size:
        steps = _accelerate(state, b, best, item, column)
        done += steps
    return best, done


def _accelerate(state: _State, b: np.ndarray, best: np.ndarray, item: np.ndarray, column: np.ndarray) -> int:
    """GMRES with W as preconditioner for the columns on which the plain loop is no contraction; writes into `best`.

    A loop is Richardson's iteration: a single eigenvalue of W M outside the unit disk about 1 makes it diverge, and
    costs a Krylov method one step.
    """
    from spectral_nn.linear.krylov import fgmres

    known = np.isfinite(b[item, :, column]).all(axis=1) & state.known[item]
    item, column = item[known], column[known]
    if not item.size:
        return 0
    A, P, W = state.A[item], state.P[item], state.W[item]
    right, x = b[item, :, column], best[item, :, column]

    def times(matrices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.einsum("mij,mj->mi", matrices, rows)

    total = 0
    for _ in range(CYCLES):
        residual = times(P, right - times(A, x))
        correction, steps, _ = fgmres(
            lambda V: times(P, times(A, V)), lambda V: times(W, V), residual, 1e-9, KRYLOV_STEPS
        )
        x, total = x + correction, total + steps
    best[item, :, column] = x
    return total


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether torch and safetensors can be imported (nothing is imported to find out)."""
    from importlib.util import find_spec

    return all(find_spec(module) is not None for module in ("torch", "safetensors"))
