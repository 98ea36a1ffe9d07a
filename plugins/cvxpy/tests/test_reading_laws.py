"""Laws of the reader: any affine tree evaluates to what was read of it; any factor scales; any copy agrees."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from spectral_nn_cvxpy.interpret import AffineReader
from spectral_nn_cvxpy.reading import Reading
from spectral_nn_cvxpy.tape import Tape
from spectral_nn_cvxpy.variables import Layout

few = settings(max_examples=60, deadline=None, derandomize=True)
# A tree is built from the numbers that hypothesis draws: each says which atom comes next.
STEPS = st.lists(st.integers(0, 10**6), min_size=1, max_size=7)


def grow(steps: list[int], leaves: list[Any]) -> Any:
    """An affine expression: a leaf, changed by one atom per step."""
    rng = np.random.default_rng(steps[0])
    expr = leaves[steps[0] % len(leaves)]
    for step in steps[1:]:
        expr = apply_one(expr, step, rng, leaves)
    return expr


def apply_one(e: Any, step: int, rng: np.random.Generator, leaves: list[Any]) -> Any:
    choice = step % 21
    if choice == 0:
        return -e
    if choice == 1:
        return e + rng.standard_normal(e.shape)
    if choice == 2:
        return 2.5 * e - 1
    if choice == 3:
        return cp.multiply(rng.standard_normal(e.shape), e)
    if choice == 4:
        return e / 3
    if choice == 5:
        return cp.sum(e) + leaves[0]
    if choice == 6:
        return cp.vec(e, order="F" if step % 2 else "C")
    if e.ndim == 0:
        return cp.promote(e, (3,))
    if choice == 7:
        return e[::-1] if e.shape[0] > 1 else e
    if choice == 8:
        return e[[0, -1, 0]]
    if choice == 9:
        return rng.standard_normal((2, e.shape[0])) @ e
    if choice == 10:
        return cp.cumsum(e, axis=0) if e.ndim == 2 else cp.cumsum(e)
    if choice == 11:
        return cp.diff(e) if e.ndim == 1 and e.shape[0] > 1 else e
    if e.ndim == 1:
        if choice < 14:
            return cp.diag(e)
        if choice < 16:
            return cp.hstack([e, leaves[0], np.ones(2)])
        if choice < 18:
            return cp.vstack([e, 2 * e])
        return cp.convolve(rng.standard_normal(3), e)
    if choice == 12:
        return e.T
    if choice == 13:
        return cp.sum(e, axis=step % 2)
    if choice == 14:
        return e @ rng.standard_normal((e.shape[1], 2))
    if choice == 15:
        return cp.reshape(e, (e.shape[1], e.shape[0]), order="C")
    if choice == 16:
        return cp.vstack([e, np.ones((1, e.shape[1]))])
    if choice == 17:
        return cp.kron(np.array([[1.0, -2.0]]), e)
    if choice == 18:
        return cp.bmat([[e, e]])
    if choice == 19:
        return e + cp.sum(e, axis=1, keepdims=True)
    return e[:, :1] - leaves[1]


@few
@given(STEPS)
def test_an_affine_tree_is_read_as_it_evaluates(steps: list[int]) -> None:
    x, X, S = cp.Variable(4), cp.Variable((3, 2)), cp.Variable((2, 2), symmetric=True)
    weight = cp.Parameter(value=1.5)
    scalar = cp.Variable()
    expr = grow(steps, [x[0], scalar, x, X, S, weight * x, X - weight])
    variables = [x, X, S, scalar]
    tape = Tape()
    layout = Layout(variables)
    node = AffineReader(tape, layout).read(expr)
    rng = np.random.default_rng(1)
    for value in (1.5, -0.3):
        weight.value = value
        tape.replay()
        point = rng.standard_normal(layout.size)
        for variable in variables:
            variable.save_value(layout.values(point)[variable.id])
        read = node.value.offset.copy()
        for key, block in node.value.blocks.items():
            matrix = block.matrix.matrix() if hasattr(block.matrix, "columns") else block.matrix
            read = read + block.scale * (matrix @ point[layout.places[key]])
        expected = np.reshape(np.asarray(expr.value), -1, order="F")
        assert np.max(np.abs(read - expected), initial=0.0) <= 1e-11 * (
            1 + np.max(np.abs(expected), initial=0.0)
        )


@few
@given(st.floats(-3, 3), st.floats(1.1, 20), st.integers(0, 1000))
def test_a_factor_of_the_residual_scales_the_norm(factor: float, p: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    A, b, x = rng.standard_normal((7, 3)), rng.standard_normal(7), cp.Variable(3)
    reading = Reading(cp.Problem(cp.Minimize(cp.pnorm(factor * (A @ x - b), p, approx=False))))
    numbers = reading.numbers()
    point = rng.standard_normal(3)
    mine = reading.value(numbers, numbers.problem.objective(point))
    assert np.isclose(mine, abs(factor) * np.linalg.norm(A @ point - b, p), rtol=1e-12, atol=1e-300)


@few
@given(st.integers(0, 1000), st.integers(2, 6))
def test_many_norms_are_one_term_with_groups(seed: int, count: int) -> None:
    """Norms of one exponent are stacked; the value stays the sum."""
    rng = np.random.default_rng(seed)
    x, weights = cp.Variable(3), rng.random(count)
    rows = [rng.standard_normal((2, 3)) for _ in range(count)]
    objective = cp.Minimize(sum(w * cp.norm(A @ x - 1, 3) for w, A in zip(weights, rows, strict=True)))
    reading = Reading(cp.Problem(objective))
    numbers = reading.numbers()
    assert len(numbers.problem.terms) == (1 if count >= 4 else count)
    point = rng.standard_normal(3)
    expected = sum(w * np.linalg.norm(A @ point - 1, 3) for w, A in zip(weights, rows, strict=True))
    assert np.isclose(reading.value(numbers, numbers.problem.objective(point)), expected, rtol=1e-12)
