"""Training systems as a pure function of (recipe, split, index): streamed, never stored.

The random numbers of sample i of a split come from one Philox stream with the key (seed, split, i), so that streams of
different splits never meet, and a batch does not depend on how the stream is cut. Functions are drawn as coefficients of
a Karhunen-Loève basis on a fixed fine grid: the same sample is the same boundary value problem at every n. Matrices come
from the core's batched assembly.

Families, all on [-1, 1] (α cos and GP as in the published experiments; the rest is ours):

    diffusion            -(K u')' = f,  u(±1) = 0,  K = 1 + α cos(2πωx), α ~ U(0, 0.8), ω ~ U(0.5, 2)
    reaction_diffusion   + r u,  r ~ U(0, 100)
    advection_diffusion  + v u', v ~ U(-20, 20)
    elliptic             K, v, r random functions, Dirichlet, Neumann and Robin conditions with random data

A family of one's own is a function ``f(draw, x) -> Operators``, given as such or by name, "module:function".
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from spectral_nn.bvp.collocation import row_nodes, second_order_batch
from spectral_nn.chebyshev import grid, matrices

from .recipe import check_known, family_name

SPLITS = {"train": 0, "validation": 1, "test": 2}
#: Karhunen-Loève modes kept for a Gaussian process of length scale 0.3 on [-1, 1] (the rest holds 1e-9 of the variance).
KL_MODES = 24
#: Points on which the basis is computed; 48 resolve a length scale of 0.3 to 1e-10.
KL_POINTS = 48
#: Condition number, rows scaled to norm 1, above which a system counts as singular: 1e6 is usual, rounding sets in at 1e16.
SINGULAR_ABOVE = 1e13
#: Uniform numbers per sample, normals per function.
_UNIFORMS = 16
_COEFFICIENTS = 3


@dataclass(frozen=True)
class Operators:
    """Coefficients of a2 u'' + a1 u' + a0 u for a batch of B, at the m points asked for, and its conditions.

    Parameters
    ----------
    a2, a1, a0 : array_like
        (B, m), or what broadcasts to it: (B, 1) where constant in x, a number where the same in all of the batch.
    left, right : array_like
        (B, 2), or one (α, β) for all, of the conditions α u + β u' at -1 and 1.
    """

    a2: Any
    a1: Any
    a0: Any
    left: Any = (1.0, 0.0)
    right: Any = (1.0, 0.0)


@dataclass(frozen=True)
class Draw:
    """Random numbers of a batch: uniforms (B, 16), normals (B, 3, KL) for coefficients, (B, R, KL + 2) for data."""

    uniforms: np.ndarray
    normals: np.ndarray
    data: np.ndarray

    def field(self, j: int, x: np.ndarray, derivative: int = 0) -> np.ndarray:
        """The j-th random function (B, m) of unit variance, or a derivative of it."""
        return self.normals[:, j] @ kl_basis(x, derivative).T


#: A user's family: (draw, x (m,)) to the coefficients there.
Family = Callable[[Draw, np.ndarray], Operators]


def draw(seed: int, split: str, start: int, count: int, rhs: int = 1) -> Draw:
    """Random numbers of samples start … start + count - 1 of a split."""
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {sorted(SPLITS)}, got {split!r}")
    n_normals = _COEFFICIENTS * KL_MODES + rhs * (KL_MODES + 2)
    uniforms = np.empty((count, _UNIFORMS))
    normals = np.empty((count, n_normals))
    for i in range(count):
        rng = np.random.Generator(np.random.Philox(key=stream_key(seed, split, start + i)))
        rng.random(out=uniforms[i])
        rng.standard_normal(out=normals[i])
    cut = _COEFFICIENTS * KL_MODES
    return Draw(
        uniforms,
        normals[:, :cut].reshape(count, _COEFFICIENTS, KL_MODES),
        normals[:, cut:].reshape(count, rhs, KL_MODES + 2),
    )


def stream_key(seed: int, split: str, index: int) -> np.ndarray:
    """The Philox key (2,) of one sample: different (seed, split, index) never share a stream."""
    return np.array([seed * len(SPLITS) + SPLITS[split], index], dtype=np.uint64)


def systems(
    family: str | Family, n: int, random: Draw, rows: str = "rectangular"
) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (B, n, n) and right-hand sides (B, n, R) of a family.

    Parameters
    ----------
    family : str or callable
        A key of `FAMILIES`, or ``f(draw, x) -> Operators``.
    n : int
        Grid points.
    random : Draw
    rows : {"rectangular", "interior"}
    """
    make = resolve_family(family)
    x = row_nodes(n, 2, rows=rows)
    ops = _in_full(make(random, x), len(random.uniforms), len(x), family)
    A = second_order_batch(ops.a2, ops.a1, ops.a0, n, left_bc=ops.left, right_bc=ops.right, rows=rows)
    b = np.zeros((len(A), n, random.data.shape[1]))
    b[:, 1:-1] = np.einsum("mk,brk->bmr", kl_basis(x), random.data[:, :, :KL_MODES], optimize=True)
    if make is not diffusion and make not in _HOMOGENEOUS:
        with_values = random.uniforms[:, -1:] < 0.5
        b[:, 0] = np.where(with_values, random.data[:, :, KL_MODES], 0.0)
        b[:, -1] = np.where(with_values, random.data[:, :, KL_MODES + 1], 0.0)
    return A, b


def resolve_family(family: str | Family) -> Family:
    """The function of a family: one of `FAMILIES` by name, "package.module:function", or the function itself."""
    if not isinstance(family, str):
        return family
    if ":" not in family:
        check_known(family, list(FAMILIES), "data.family: ")
        return FAMILIES[family]
    module, _, attribute = family.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        hint = "the current folder, that of the recipe and PYTHONPATH are searched"
        if module == "__main__" or "<" in attribute:
            hint = "only a function at the top level of a module is found again: move it to one"
        raise ValueError(f"data.family: cannot load {family!r}: {error} ({hint})") from error
    if not callable(found):
        raise ValueError(f"data.family: {family!r} is no function, but {found!r}")
    return found


def check_family(family: str | Family, n: int, seed: int, rows: str = "rectangular", count: int = 16) -> None:
    """ValueError if the first systems of a family are not finite, or singular: there would be nothing to learn."""
    A, _ = systems(family, n, draw(seed, "train", 0, count), rows)
    name = family_name(family)
    if not np.isfinite(A).all():
        raise ValueError(f"data.family: {name!r} gives coefficients that are not finite at n = {n}")
    size = np.linalg.norm(A, axis=2, keepdims=True)
    kappa = np.linalg.cond(A / np.where(size > 0, size, 1.0))
    if bad := int((kappa > SINGULAR_ABOVE).sum()):
        raise ValueError(
            f"data.family: {bad} of the first {count} systems of {name!r} are singular at n = {n} (condition number up to "
            f"{kappa.max():.0e} after scaling rows): no solution is determined, as with Neumann conditions at both ends "
            "and a0 = 0; change a coefficient or a condition"
        )


def diffusion(random: Draw, x: np.ndarray) -> Operators:
    """-(K u')', u(±1) = 0."""
    K, slope = _cosine(random, x)
    return Operators(-K, -slope, np.zeros_like(K), *_dirichlet(len(K)))


def reaction_diffusion(random: Draw, x: np.ndarray) -> Operators:
    """-(K u')' + r u."""
    K, slope = _cosine(random, x)
    r = 100.0 * random.uniforms[:, 2:3]
    return Operators(-K, -slope, np.broadcast_to(r, K.shape), *_dirichlet(len(K)))


def advection_diffusion(random: Draw, x: np.ndarray) -> Operators:
    """-(K u')' + v u'."""
    K, slope = _cosine(random, x)
    v = 40.0 * random.uniforms[:, 2:3] - 20.0
    return Operators(-K, v - slope, np.zeros_like(K), *_dirichlet(len(K)))


def elliptic(random: Draw, x: np.ndarray) -> Operators:
    """-(K u')' + v u' + r u with random functions and conditions; positive definite or dominated by diffusion."""
    u = random.uniforms
    cos_K, cos_slope = _cosine(random, x)
    amplitude = 0.6 * u[:, 2:3]
    log_K = amplitude * random.field(0, x)
    K = np.exp(log_K)
    cosine = u[:, 3:4] < 0.3
    slope = np.where(cosine, cos_slope, K * amplitude * random.field(0, x, 1))
    K = np.where(cosine, cos_K, K)

    speed = np.where(u[:, 6:7] < 0.3, 0.0, 40.0 * u[:, 4:5] - 20.0)
    uniform_flow, uniform_r = u[:, 5:6] < 0.5, u[:, 8:9] < 0.5
    v = speed * np.where(uniform_flow, 1.0, random.field(1, x))
    strength = np.where(u[:, 9:10] < 0.3, 0.0, 100.0 * u[:, 7:8] ** 2)
    r = strength * np.where(uniform_r, 1.0, np.exp(0.5 * random.field(2, x)))

    # coercive: r - v'/2 >= 0 (on a fixed fine grid, so that the sample is the same problem at every n) …
    fine = grid.points(KL_POINTS, 2)
    v_fine = speed * np.where(uniform_flow, 1.0, random.field(1, fine))
    slope_fine = speed * np.where(uniform_flow, 0.0, random.field(1, fine, 1))
    r_fine = strength * np.where(uniform_r, 1.0, np.exp(0.5 * random.field(2, fine)))
    shift = np.maximum(0.5 * slope_fine - r_fine, 0.0).max(axis=1, keepdims=True)
    r = r + shift

    # … and values given where the flow comes in; otherwise the condition number grows like exp(∫ v / K)
    left = _condition(u[:, 10], u[:, 11], -1.0)
    right = _condition(u[:, 12], u[:, 13], 1.0)
    left[v_fine[:, 0] > 0] = (1.0, 0.0)
    right[v_fine[:, -1] < 0] = (1.0, 0.0)
    # a solution that is fixed only up to a constant is not a system to learn from
    loose = (left[:, 0] == 0) & (right[:, 0] == 0) & ((r_fine + shift).min(axis=1) < 1.0)
    right[loose] = (1.0, 0.0)
    return Operators(-K, v - slope, r, left, right)


FAMILIES: dict[str, Family] = {
    "diffusion": diffusion,
    "reaction_diffusion": reaction_diffusion,
    "advection_diffusion": advection_diffusion,
    "elliptic": elliptic,
}
_HOMOGENEOUS = (diffusion, reaction_diffusion, advection_diffusion)


def kl_basis(x: np.ndarray, derivative: int = 0) -> np.ndarray:
    """The Karhunen-Loève basis (m, KL) of the Gaussian process with kernel exp(-(s - t)² / (2 · 0.3²)) at x (m,)."""
    return _kl_basis(np.ascontiguousarray(x, dtype=float).tobytes(), derivative)


@lru_cache(maxsize=64)
def _kl_basis(x_bytes: bytes, derivative: int) -> np.ndarray:
    basis = _kl_on_grid()
    if derivative:
        basis = matrices.differentiation(KL_POINTS, derivative, 2) @ basis
    return matrices.interpolation(np.frombuffer(x_bytes), KL_POINTS, kind=2) @ basis


@lru_cache(maxsize=1)
def _kl_on_grid() -> np.ndarray:
    t = grid.points(KL_POINTS, 2)
    kernel = np.exp(-((t[:, None] - t) ** 2) / (2 * 0.3**2))
    # weighted by quadrature: the continuous eigenfunctions, whatever the grid
    half = np.sqrt(grid.quadrature_weights(KL_POINTS, 2))
    values, vectors = np.linalg.eigh(half[:, None] * kernel * half)
    vectors = vectors[:, ::-1][:, :KL_MODES]
    vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), np.arange(KL_MODES)] < 0, -1.0, 1.0)
    return vectors / half[:, None] * np.sqrt(values[::-1][:KL_MODES])


def _in_full(ops: Any, batch: int, m: int, family: str | Family) -> Operators:
    """Coefficients (B, m) and conditions (B, 2) of what a family returned; ValueError if they cannot be."""
    if not isinstance(ops, Operators):
        raise ValueError(
            f"data.family: {family_name(family)!r} must return Operators(a2, a1, a0, left, right), got {type(ops).__name__}"
        )
    full = {}
    for name in ("a2", "a1", "a0", "left", "right"):
        shape = (batch, m if name.startswith("a") else 2)
        value = getattr(ops, name)
        try:
            full[name] = np.broadcast_to(np.asarray(value, dtype=float), shape)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"data.family: {family_name(family)!r} returned {name} of shape {np.shape(value)}; expected {shape}, or what "
                "broadcasts to it"
            ) from error
    return Operators(**full)


def _cosine(random: Draw, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha = 0.8 * random.uniforms[:, 0:1]
    omega = 2 * np.pi * (0.5 + 1.5 * random.uniforms[:, 1:2])
    return 1 + alpha * np.cos(omega * x), -alpha * omega * np.sin(omega * x)


def _dirichlet(batch: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tile([1.0, 0.0], (batch, 1)), np.tile([1.0, 0.0], (batch, 1))


def _condition(kind: np.ndarray, size: np.ndarray, outward: float) -> np.ndarray:
    """Dirichlet for half of them, Neumann and Robin (α u + β ∂u/∂n, β log-uniform in [0.05, 2]) for a quarter each."""
    beta = 0.05 * 40.0**size * outward
    out = np.empty((len(kind), 2))
    out[:, 0] = np.where(kind < 0.75, 1.0, 0.0)
    out[:, 1] = np.where(kind < 0.5, 0.0, np.where(kind < 0.75, beta, outward))
    return out
