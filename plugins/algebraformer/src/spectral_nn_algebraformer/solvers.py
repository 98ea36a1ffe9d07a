"""Learned linear solvers for the slot of spectral_nn. This module imports no torch; `factor` does.

    solve_bvp(..., linear_solver="algebraformer")
    solve_linear(A, b, solver="algebraformer")

A network is asked once per matrix. What it says is never trusted: `certify` of the core computes the true residual of
every answer, refines, and falls back to a direct solver where that does not help.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from spectral_nn.linear import ItemReports, LinearSolution, LinearStatus, Traits, matrix_of

from . import denoise, encode, spd
from .reference import ROWS

#: Sizes that the default weights are used for. They were trained for 24 to 128 points, and measured beyond.
SIZES = tuple(range(16, 257))
#: A matrix that is farther than this from a second-order operator is not shown to the network.
LARGEST_MISFIT = 1e-3
#: Loops run while each gains this factor at least; two that do not end them (the rest is left to certify).
LOOP_GAIN = 0.7
#: Loops at most: a contraction by five reaches rounding in twenty.
MAX_LOOPS = 24
#: Norm of what the linear transformer is shown, relative to that of A x for x of norm 1; by trial, for most digits a pass.
SEEN_SIZE = 0.5
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
    precision : str
        Of the network: "float32", "bfloat16", or "auto" (bfloat16 where the processor has it, for batches).
    noise_weights : str
        Weights of the denoiser, which answers where a noise level is stated.

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

    def factor(self, A: Any, noise: Any = None) -> _State | _NoisyState:
        """Show A (n, n) or (B, n, n) to the network: one approximate inverse each.

        With `noise`, the relative noise of the entries (a number, or (B,)), nothing is inverted: `solve` then gives the
        denoiser's estimate of the noise-free solution and the half-widths of its 90 % band.
        """
        matrix = np.asarray(matrix_of(A), dtype=float)
        single = matrix.ndim == 2
        matrices = matrix[None] if single else matrix
        if noise is not None:
            sigma = np.broadcast_to(np.asarray(noise, float), len(matrices))
            denoise.check(matrices, sigma, self.noise_weights)
            return _NoisyState(matrices, sigma, single)
        meta = getattr(A, "meta", {})
        encoded, known = _encode(matrices, meta.get("rows"))
        W = np.zeros_like(matrices)
        W[known] = approximate_inverses(self.weights, encoded, self.device, self.precision)
        P = np.zeros_like(matrices)
        P[known] = encoded.P
        return _State(matrices, P, W, known, single)

    def solve(self, state: _State | _NoisyState, b: np.ndarray) -> LinearSolution:
        """Loop on the exact residual for b (n,), (n, k) or, for a batch, (B, n)."""
        right = np.asarray(b, dtype=float)
        if isinstance(state, _NoisyState):
            return self._estimate(state, right)
        columns = right[None, :, None] if state.single and right.ndim == 1 else right[None]
        if not state.single:
            columns = right[:, :, None]
        x, loops = _loop(state, columns, self.loops)
        shaped = x[0, :, 0] if state.single and right.ndim == 1 else x[0] if state.single else x[:, :, 0]
        items = None
        if not state.known.all():
            status = np.where(state.known, LinearStatus.UNCERTIFIED, LinearStatus.UNSUPPORTED)
            shaped[~state.known] = np.nan
            items = ItemReports(status.astype(int), np.zeros(len(status), int), np.zeros(len(status), bool))
        return LinearSolution(shaped, solver=self.name, iterations=loops, items=items)

    def _estimate(self, state: _NoisyState, b: np.ndarray) -> LinearSolution:
        rows = b if not state.single else b[None] if b.ndim == 1 else b.T
        matrices = np.broadcast_to(state.A, (len(rows), *state.A.shape[1:]))
        sigma = np.broadcast_to(state.sigma, len(rows))
        x, band = denoise.answer(self.noise_weights, matrices, rows, sigma, self.device)
        if state.single:
            x, band = (x[0], band[0]) if b.ndim == 1 else (x.T, band.T)
        return LinearSolution(x, solver=self.name, x_error=band)

    def warm_up(self, n: int = 64, batch: int = 1) -> float:
        """Load torch, weights and the tables for n, run the network once; returns the seconds that took.

        The first solve pays for this otherwise.
        """
        began = time.perf_counter()
        from . import data

        A, b = data.systems("diffusion", n, data.draw(0, "test", 0, batch))
        self.solve(self.factor(A), b[:, :, 0])
        return time.perf_counter() - began


@dataclass(frozen=True)
class AlgebraformerDiffusion(Algebraformer):
    """The same, trained on -(K u')' = f with u(±1) = 0 at n = 64 alone (the first experiment of the paper)."""

    weights: str = "diffusion-64"
    sizes: tuple[int, ...] = field(default=(64,), repr=False)
    name: ClassVar[str] = "algebraformer_diffusion"


@dataclass(frozen=True)
class LinearTransformer:
    """Block linear transformer for symmetric positive definite systems of any size (Vladymyrov et al. 2024).

    One pass gives a few digits at most; passes are repeated on the residual while they gain.

    Parameters
    ----------
    weights : str
        Shipped weights by name, or a folder of your own.
    loops : int
        Passes at most.
    device : str
    """

    weights: str = "linear-transformer"
    loops: int = 16
    device: str = "cpu"
    name: ClassVar[str] = "linear_transformer"

    @property
    def traits(self) -> Traits:
        """Read without torch."""
        return Traits(
            summary="block linear transformer (learned), symmetric positive definite systems",
            batched=True,
            needs_spd=True,
            dtypes=("float64",),
            max_size=256,
            device=self.device,
            requires=("torch", "safetensors"),
        )

    def factor(self, A: Any) -> _SpdState:
        """Scale A (n, n) or (B, n, n) to a unit diagonal and largest eigenvalue about 1; refuse what is not symmetric."""
        matrix = np.asarray(matrix_of(A), dtype=float)
        single = matrix.ndim == 2
        matrices = matrix[None] if single else matrix
        diagonal = np.einsum("bii->bi", matrices)
        if not np.isfinite(matrices).all() or (diagonal <= 0).any():
            raise ValueError(
                "A: expected symmetric positive definite matrices; a diagonal entry is not positive"
            )
        if np.abs(matrices - np.swapaxes(matrices, 1, 2)).max() > 1e-8 * np.abs(matrices).max():
            raise ValueError("A: expected symmetric positive definite matrices; this one is not symmetric")
        root = 1.0 / np.sqrt(diagonal)
        scaled, bound = spd.normalize(root[:, :, None] * matrices * root[:, None, :])
        typical = np.linalg.norm(scaled, axis=(1, 2))[:, None] / np.sqrt(scaled.shape[-1])
        return _SpdState(scaled, root, bound, typical, single)

    def solve(self, state: _SpdState, b: np.ndarray) -> LinearSolution:
        """Passes on the residual for b (n,), (n, k) or, for a batch, (B, n)."""
        import torch

        from .pretrained import load_network

        network: Any = load_network(self.weights, self.device)
        right = np.asarray(b, dtype=float)
        rows = right if not state.single else right[None] if right.ndim == 1 else right.T
        A = np.broadcast_to(state.A, (len(rows), *state.A.shape[1:]))
        matrices = torch.from_numpy(A.astype(np.float32)).to(self.device)
        c = rows * state.root
        y, residual, done = np.zeros_like(c), c.copy(), 0
        size = np.linalg.norm(residual, axis=1, keepdims=True)
        shown, stalled = np.full_like(size, SEEN_SIZE), 0
        for _ in range(self.loops):
            # right-hand sides a little smaller than in training, where the network is closest to linear in them
            unit = np.where(size > 0, size, 1.0) / (shown * state.typical)
            seen = residual / unit
            with torch.inference_mode():
                step = network(matrices, torch.from_numpy(seen.astype(np.float32)).to(self.device))[-1]
            tried = y + step.double().cpu().numpy() * unit / state.bound[:, None]
            residual_tried = c - state.bound[:, None] * np.einsum("bij,bj->bi", A, tried)
            size_tried = np.linalg.norm(residual_tried, axis=1, keepdims=True)
            done += 1
            better = size_tried < size
            stalled = 0 if (size_tried < LOOP_GAIN * size).any() else stalled + 1
            shown = np.where(size_tried < LOOP_GAIN * size, shown, 0.5 * shown)
            y = np.where(better, tried, y)
            residual = np.where(better, residual_tried, residual)
            size = np.where(better, size_tried, size)
            if stalled >= 2:
                break
        x = y * state.root
        shaped = x if not state.single else x[0] if right.ndim == 1 else x.T
        return LinearSolution(shaped, solver=self.name, iterations=done)


def approximate_inverses(
    weights: str, encoded: encode.Encoded, device: str = "cpu", precision: str = "float32"
) -> np.ndarray:
    """What the network says for preconditioned systems: W (B, n, n), float64."""
    import torch

    from .objectives import grid_tensors
    from .pretrained import load_network
    from .train import autocast_dtype

    network: Any = load_network(weights, device)
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
    A: np.ndarray
    P: np.ndarray
    W: np.ndarray
    known: np.ndarray
    single: bool


@dataclass(frozen=True)
class _NoisyState:
    A: np.ndarray
    sigma: np.ndarray
    single: bool


@dataclass(frozen=True)
class _SpdState:
    A: np.ndarray
    root: np.ndarray
    bound: np.ndarray
    typical: np.ndarray  # norm of A x for x of norm 1, on average
    single: bool


def _encode(matrices: np.ndarray, rows: str | None) -> tuple[encode.Encoded, np.ndarray]:
    """Precondition the systems that are of the family; which ones are."""
    candidates = np.flatnonzero(encode.is_candidate(matrices))
    if not candidates.size:
        raise ValueError(
            "A: not a second-order collocation matrix with separated conditions, rows in order of x"
        )
    if rows not in ROWS:
        rows = encode.rows_of(matrices[candidates[0]])
    encoded = encode.precondition(matrices[candidates], rows)
    fits = encoded.misfit <= LARGEST_MISFIT
    if not fits.any():
        raise ValueError(
            f"A: farther than {LARGEST_MISFIT:g} from a second-order collocation matrix (misfit "
            f"{encoded.misfit.min():.1e}); this solver was trained on those alone"
        )
    known = np.zeros(len(matrices), bool)
    known[candidates[fits]] = True
    return (encoded if fits.all() else encode.select(encoded, fits)), known


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
