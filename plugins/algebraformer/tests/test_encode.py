"""Preconditioning: exact, and blind to the units of rows and of the interval."""

import numpy as np
import pytest
from spectral_nn_algebraformer import data, encode
from spectral_nn_algebraformer.reference import reference

from spectral_nn.bvp.collocation import row_nodes, second_order_batch


def systems(n=32, family="elliptic", rows="rectangular", count=12):
    return data.systems(family, n, data.draw(4, "test", 0, count), rows)


@pytest.mark.parametrize("rows", ["rectangular", "interior"])
@pytest.mark.parametrize("n", [24, 65])
def test_preconditioned_system_has_the_same_solution(n, rows):
    A, b = systems(n, rows=rows)
    encoded = encode.precondition(A, rows)
    x = np.linalg.solve(A, b)
    assert np.abs(encoded.M @ x - encoded.P @ b).max() < 1e-8 * np.abs(encoded.P @ b).max()
    assert encoded.misfit.max() < 1e-7
    assert encode.rows_of(A[0]) == rows


def test_coefficients_are_read_off_exactly():
    draw = data.draw(4, "test", 0, 12)
    A, _ = data.systems("elliptic", 40, draw)
    ops = data.elliptic(draw, row_nodes(40, 2))
    encoded = encode.precondition(A)
    assert np.allclose(encoded.coefficients[..., 0], ops.a1 / ops.a2, rtol=1e-8, atol=1e-8)
    assert np.allclose(encoded.coefficients[..., 1], ops.a0 / ops.a2, rtol=1e-8, atol=1e-6)


def test_preconditioned_matrix_is_small_and_well_conditioned():
    A, _ = systems(64, count=40)
    assert np.median(np.linalg.cond(encode.precondition(A).M)) < 20
    assert np.median(np.linalg.cond(A)) > 1e6


def test_tokens_do_not_depend_on_row_scaling_or_sign(rng):
    A, _ = systems()
    scale = np.exp(rng.normal(size=A.shape[:2]) * 5) * rng.choice([-1.0, 1.0], size=A.shape[:2])
    plain = encode.features(encode.precondition(A))
    scaled = encode.features(encode.precondition(scale[..., None] * A))
    assert np.allclose(plain, scaled, atol=1e-4)


def test_tokens_do_not_depend_on_the_length_of_the_interval():
    n = 32
    a1, a0 = 0.7, -3.0
    short = second_order_batch(-np.ones((2, 1)), a1, a0, n, (0.0, 1.0), (1.0, 0.0), (1.0, 0.3))
    # x = 4 t: u' shrinks by 4
    long = second_order_batch(-16 * np.ones((2, 1)), 4 * a1, a0, n, (0.0, 4.0), (1.0, 0.0), (1.0, 1.2))
    left, right = (encode.features(encode.precondition(A)) for A in (short, long))
    assert np.allclose(left, right, atol=1e-4)


def test_pure_neumann_conditions_get_a_regular_reference():
    n = 32
    A = second_order_batch(-np.ones((1, 1)), 0.0, 0.1, n, left_bc=(0.0, 1.0), right_bc=(0.0, 1.0))
    encoded = encode.precondition(A)
    assert encoded.level[0] >= 1.0 and np.isfinite(encoded.M).all()
    assert np.linalg.cond(encoded.M)[0] < 1e3


def test_what_is_no_collocation_matrix_is_far_away(rng):
    noise = rng.normal(size=(3, 32, 32))
    candidates = encode.is_candidate(noise)
    assert encode.precondition(noise[candidates]).misfit.min() > 0.1
    assert not encode.is_candidate(np.zeros((1, 32, 32)))[0]
    A, _ = systems(count=2)
    A[0, 3, 3] = np.nan
    A[1, 0] = A[1, -1]
    assert not encode.is_candidate(A).any()
    with pytest.raises(ValueError, match="second-order"):
        encode.precondition(A)


def test_nonlocal_conditions_are_noticed():
    A, _ = systems(count=1, family="diffusion")
    A[0, 0] = reference(32).weights  # ∫u = 0
    assert encode.precondition(A).misfit[0] > 1e-2


def test_sizes_without_tables_are_named():
    with pytest.raises(ValueError, match="8 to 512"):
        reference(4)
    with pytest.raises(ValueError, match="rows"):
        reference(32, "chebyshev")
