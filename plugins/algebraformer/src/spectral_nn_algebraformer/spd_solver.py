"""The block linear transformer in the slot of spectral_nn, for symmetric positive definite systems. Imports no torch."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spectral_nn.linear import ItemReports, LinearSolution, LinearStatus, Traits, matrix_of

from . import encode, spd
from .checks import refused_words

#: Passes go on while each gains this factor at least; a system that two in a row do not serve is left to certify.
PASS_GAIN = 0.9
#: Norm of what the network is shown, relative to that of A x for x of norm 1; by trial, for most digits a pass.
SEEN_SIZE = 0.5
#: Asymmetry, relative to the largest entry, that rounding explains.
ASYMMETRY = 1e-8
#: Entries of matrices that go through the network together.
CHUNK_ENTRIES = 1 << 18
#: Largest n where the weights state none. Block weights serve every n; solved without falling back up to this one.
MAX_SIZE = 256


@dataclass(frozen=True)
class LinearTransformer:
    """Block linear transformer for symmetric positive definite systems (Vladymyrov et al. 2024).

    One pass gives a few digits; passes are repeated on the residual while they gain. Where the weights are linear in b,
    as the shipped ones are, the network runs once per matrix, and a pass is a product with what it said. A matrix on
    which a pass on a random right-hand side gains nothing is refused by `factor`, which makes the slot fall back.

    Parameters
    ----------
    weights : str
        Shipped weights by name, or a folder of your own.
    loops : int
        Passes at most.
    device : str

    Raises
    ------
    ValueError
        For an option that cannot be.
    """

    weights: str = "linear-transformer"
    loops: int = 16
    device: str = "cpu"
    name: ClassVar[str] = "linear_transformer"

    def __post_init__(self) -> None:
        if self.loops is None:
            raise ValueError("loops: expected a whole number of at least 1, got None")
        check_options(self.weights, self.loops, self.device)

    @property
    def traits(self) -> Traits:
        """Read without torch; the largest size is the one that the weights were found good for."""
        return Traits(
            summary="block linear transformer (learned), symmetric positive definite systems",
            batched=True,
            needs_spd=True,
            dtypes=("float64",),
            max_size=largest_size(self.weights),
            device=self.device,
            requires=("torch", "safetensors"),
        )

    def factor(self, A: Any) -> SpdState:
        """Scale A (n, n) or (B, n, n) to a unit diagonal and largest eigenvalue about 1, and try one pass.

        Refuses, system by system, what is not symmetric with a positive diagonal, and what a pass does not contract.
        """
        matrix = np.asarray(matrix_of(A), dtype=float)
        single = matrix.ndim == 2
        matrices, exponent = encode.to_unit_size(matrix[None] if single else matrix)
        finite = np.isfinite(matrices).all(axis=(1, 2))
        kept = np.where(finite[:, None, None], matrices, np.eye(matrices.shape[-1]))
        diagonal = np.einsum("bii->bi", kept)
        positive = diagonal.min(axis=1) > 0
        symmetric = np.abs(kept - np.swapaxes(kept, 1, 2)).max(axis=(1, 2)) <= ASYMMETRY
        known = finite & positive & symmetric
        what = ""
        if not known.all():
            what = "a diagonal entry is not positive" if not positive.all() else "this one is not symmetric"
            what = what if finite.any() else "there are NaN or infinite entries in it"
            what = f"A: expected symmetric positive definite matrices; {what}"
        if not known.any():
            raise ValueError(what)
        kept = np.where(known[:, None, None], kept, np.eye(matrices.shape[-1]))
        root = 1.0 / np.sqrt(np.where(known[:, None], diagonal, 1.0))
        scaled, bound = spd.normalize(root[:, :, None] * kept * root[:, None, :])
        typical = np.linalg.norm(scaled, axis=(1, 2))[:, None] / np.sqrt(scaled.shape[-1])
        W = self._inverses(scaled)
        return self._probed(SpdState(scaled, root, bound, typical, exponent, known, W, what, single))

    def solve(self, state: SpdState, b: np.ndarray) -> LinearSolution:
        """Passes on the residual for b (n,), (n, k) or, for a batch, (B, n)."""
        right = np.asarray(b, dtype=float)
        rows = right if not state.single else right[None] if right.ndim == 1 else right.T
        rows, exponent = encode.to_unit_size(rows)
        owner = np.zeros(len(rows), int) if state.single else np.arange(len(rows))
        y, _, done = self._passes(state, owner, rows * state.root[owner], self.loops)
        x = np.ldexp(y * state.root[owner], (exponent - state.exponent[owner])[:, None])
        items, message = None, LinearStatus.UNCERTIFIED.sentence
        if not state.known.all():
            x[~state.known] = np.nan
            message = f"{refused_words(state.known)} because: {state.refusal}."
            status = np.where(state.known, LinearStatus.UNCERTIFIED, LinearStatus.UNSUPPORTED).astype(int)
            items = ItemReports(status, np.zeros(len(status), int), np.zeros(len(status), bool))
        shaped = x if not state.single else x[0] if right.ndim == 1 else x.T
        return LinearSolution(shaped, solver=self.name, message=message, iterations=done, items=items)

    def warm_up(self, n: int | Sequence[int] = 16, batch: int = 1) -> float:
        """Load torch and weights, solve one batch of every size; returns the seconds that took."""
        from spectral_nn import solve_linear

        began = time.perf_counter()
        for size in [n] if isinstance(n, int) else n:
            A, b, _ = spd.systems(0, "test", 0, batch, size, (2.0, 10.0))
            for solver in (self, "lu"):  # and what takes over where need be
                solve_linear(A, b, solver=solver)
        return time.perf_counter() - began

    def _probed(self, state: SpdState) -> SpdState:
        """The state, with those systems given up that a pass on a random right-hand side does not contract."""
        n = state.A.shape[-1]
        probe = np.random.default_rng(0).standard_normal(n)  # fixed: the same matrix is always judged alike
        items = np.flatnonzero(state.known)
        _, gain, _ = self._passes(state, items, np.tile(probe, (len(items), 1)), 2)
        known = state.known.copy()
        known[items[gain > PASS_GAIN]] = False
        if known.all():
            return state
        refusal = state.refusal or (
            f"A: two passes of {self.weights!r} leave {gain.max():.2g} of the residual of this matrix; it was trained on "
            "better conditioned ones"
        )
        if not known.any():
            raise ValueError(refusal)
        return replace(state, known=known, refusal=refusal)

    def _inverses(self, A: np.ndarray) -> np.ndarray | None:
        """What a network that is linear in b does to any b, as matrices (B, n, n); None for the others."""
        import torch

        from .pretrained import load_network

        network: Any = load_network(self.weights, self.device, kind="linear_transformer")
        if not network.config.linear:
            return None
        out, n = np.empty_like(A), A.shape[-1]
        chunk = max(CHUNK_ENTRIES // n**2, 1)
        eye = torch.eye(n, device=self.device)
        with torch.inference_mode():
            for at in range(0, len(A), chunk):
                part = torch.from_numpy(A[at : at + chunk].astype(np.float32)).to(self.device)
                out[at : at + chunk] = network(part, eye.expand(len(part), -1, -1))[-1].cpu().numpy()
        return out

    def _passes(
        self, state: SpdState, owner: np.ndarray, c: np.ndarray, loops: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Solutions y (m, n) of the scaled systems `owner` for c (m, n), what is left of the residual (m,), passes."""
        import torch

        from .pretrained import load_network

        network: Any = load_network(self.weights, self.device, kind="linear_transformer")
        y, residual, done = np.zeros_like(c), c.copy(), 0
        first = np.linalg.norm(c, axis=1)
        size, shown, failed = first.copy(), np.full(len(c), SEEN_SIZE), np.zeros(len(c), int)
        active = np.flatnonzero((size > 0) & np.isfinite(size) & state.known[owner])
        tensors = torch.from_numpy(state.A.astype(np.float32)).to(self.device)
        while active.size and done < loops:
            own = owner[active]
            # right-hand sides a little smaller than in training, where the network is closest to linear in them
            unit = (size[active] / (shown[active] * state.typical[own, 0]))[:, None]
            seen = residual[active] / unit
            if state.W is not None:
                step = np.einsum("bij,bj->bi", state.W[own], seen)
            else:
                shown_now = torch.from_numpy(seen.astype(np.float32)).to(self.device)
                with torch.inference_mode():
                    step = network(tensors[torch.from_numpy(own)], shown_now)[-1].double().cpu().numpy()
            bound = state.bound[own, None]
            tried = y[active] + step * unit / bound
            left = c[active] - bound * np.einsum("bij,bj->bi", state.A[own], tried)
            after = np.linalg.norm(left, axis=1)
            after = np.where(np.isfinite(after), after, np.inf)
            done += 1
            gained = after < PASS_GAIN * size[active]
            better = after < size[active]
            y[active[better]], residual[active[better]] = tried[better], left[better]
            failed[active] = np.where(gained, 0, failed[active] + 1)
            shown[active[~gained]] *= 0.5
            size[active] = np.minimum(size[active], after)
            active = active[(failed[active] < 2) & (size[active] > 0)]
        return y, size / np.where(first > 0, first, 1.0), done


@dataclass(frozen=True)
class SpdState:
    """Systems scaled to a unit diagonal, over a bound of their largest eigenvalue."""

    A: np.ndarray
    root: np.ndarray
    bound: np.ndarray
    typical: np.ndarray  # norm of A x for x of norm 1, on average
    exponent: np.ndarray
    known: np.ndarray
    W: np.ndarray | None  # approximate inverses, of networks that are linear in b
    refusal: str  # why the first system that is not known is not
    single: bool


def largest_size(weights: str) -> int:
    """The largest n that weights are good for, as their config.json says."""
    from .pretrained import WeightsError, config

    try:
        return int(config(weights).get("max_size", MAX_SIZE))
    except WeightsError:
        return MAX_SIZE  # what is wrong with the weights is said when they are loaded


def check_options(weights: str | Path, loops: int | None, device: str) -> None:
    """Errors for options that cannot be; whether weights and device are there shows when they are used."""
    if not isinstance(weights, str | Path):
        raise TypeError(f"weights: expected the name of shipped weights or a folder, got {weights!r}")
    if loops is not None and (isinstance(loops, bool) or not isinstance(loops, int) or loops < 1):
        raise ValueError(f"loops: expected a whole number of at least 1, got {loops!r}")
    if not (isinstance(device, str) and re.fullmatch(r"cpu|(cuda|mps)(:\d+)?", device)):
        raise ValueError(f"device: expected 'cpu', 'cuda', 'cuda:0', … or 'mps', got {device!r}")
