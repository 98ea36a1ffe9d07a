"""What `solve_linear` says to arguments that do not fit, and what "auto" picks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from spectral_nn import LinearSystem, select_linear_solver, solve_linear
from spectral_nn.linear import Banded, Traits

I3 = np.eye(3)
ONES = np.ones(3)


@pytest.mark.parametrize(
    "arguments,error,sentence",
    [
        ((np.ones((3, 4)), ONES), ValueError, r"A: expected shape \(n, n\) or \(B, n, n\), got \(3, 4\)"),
        ((np.ones(3), ONES), ValueError, r"A: expected shape \(n, n\)"),
        ((np.ones((2, 2, 2, 2)), ONES), ValueError, r"A: expected shape .* got \(2, 2, 2, 2\)"),
        ((np.ones((0, 0)), np.ones(0)), ValueError, "A: expected at least one unknown"),
        ((I3, np.ones(4)), ValueError, r"b: expected shape \(n,\) or \(n, k\) with n = 3, got \(4,\)"),
        ((I3, np.ones((1, 3, 3))), ValueError, r"b: expected shape .* got \(1, 3, 3\)"),
        ((I3, 1.0), ValueError, r"b: expected shape .* got \(\)"),
        ((np.ones((4, 3, 3)), ONES), ValueError, r"b: expected shape \(B, n\) = \(4, 3\)"),
        ((I3, None), ValueError, "b: expected a right-hand side, got None"),
        ((I3, ["a", "b", "c"]), TypeError, "b: expected an array of numbers, got dtype <U1"),
        ((I3.astype(object), ONES), TypeError, "A: expected an array of numbers, got dtype object"),
        (([[1.0, 2.0], [3.0]], ONES), ValueError, "A: expected an array of numbers, got a ragged sequence"),
        (("matrix", ONES), TypeError, "A: expected an array, a scipy.sparse array"),
        ((lambda x: x, ONES), TypeError, "A: expected an array"),
    ],
)
def test_shapes_and_types(arguments: Any, error: type, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        solve_linear(*arguments)


@pytest.mark.parametrize("rtol", [0, -1e-3, 1.0, np.nan, "tight", None])
def test_rtol(rtol: Any) -> None:
    with pytest.raises(ValueError, match="rtol: expected a number in"):
        solve_linear(I3, ONES, rtol=rtol)


def test_noise() -> None:
    with pytest.raises(ValueError, match="solver 'lu' does not take a noise level; .*tikhonov"):
        solve_linear(I3, ONES, "lu", noise=1e-3)
    with pytest.raises(ValueError, match="noise: expected a relative noise level > 0"):
        solve_linear(I3, ONES, noise=-1.0)
    with pytest.raises(ValueError, match=r"noise: expected a number, or shape \(B,\) = \(2,\)"):
        solve_linear(np.array([I3, I3]), np.ones((2, 3)), noise=[1e-3, 1e-3, 1e-3])
    with pytest.raises(ValueError, match="noise: expected a relative noise level > 0, .*got 'auto'"):
        solve_linear(I3, ONES, noise="auto")
    with pytest.raises(ValueError, match="noise: solver='tikhonov' cannot infer the noise level"):
        solve_linear(I3, ONES, "tikhonov", noise="estimate")
    with pytest.raises(ValueError, match="noise: solver 'lu' does not take a noise level"):
        solve_linear(I3, ONES, "lu", noise="estimate")
    for wrong in (True, [True], 1e-3j, ["1e-3"], object()):
        with pytest.raises(TypeError, match="noise: expected a relative noise level > 0"):
            solve_linear(I3, ONES, noise=wrong)


def test_a_system_without_right_hand_side() -> None:
    with pytest.raises(ValueError, match="b: this LinearSystem has no right-hand side"):
        LinearSystem(I3).solve()
    np.testing.assert_array_equal(LinearSystem(2 * I3, ONES).solve("lu").x, ONES / 2)
    np.testing.assert_array_equal(solve_linear(LinearSystem(2 * I3), ONES).x, ONES / 2)


def test_traits_check_their_structures() -> None:
    with pytest.raises(ValueError, match="structures: expected a non-empty tuple"):
        Traits(structures=("sprase",))


def test_integers_are_solved_in_float64() -> None:
    answer = solve_linear([[2, 0], [0, 4]], [1, 1])
    assert answer.x.dtype == np.float64 and list(answer.x) == [0.5, 0.25]
    assert solve_linear(I3.astype(np.float32), ONES.astype(np.float32)).x.dtype == np.float64


RNG = np.random.default_rng(0)
GENERAL = RNG.standard_normal((6, 6))


@pytest.mark.parametrize(
    "A,name,reason",
    [
        (GENERAL, "lu", "no structure"),
        (GENERAL @ GENERAL.T, "cholesky", "symmetric with positive diagonal"),
        (GENERAL * 1j, "lu", "no structure"),
        ((GENERAL + 1j) @ (GENERAL + 1j).conj().T, "cholesky", "Hermitian"),
        (np.triu(GENERAL), "triangular", "triangular"),
        (np.tril(GENERAL), "triangular", "triangular"),
        (-GENERAL @ GENERAL.T, "lu", "no structure"),
        (np.stack([GENERAL] * 3), "lu", "batch of 3"),
        (sp.eye_array(50).tocsr(), "banded", "sparse, all non-zeros within 0"),
        (sp.random_array((50, 50), density=0.1, rng=RNG), "lu", "sparse"),
        (Banded(np.ones((3, 9)), 1, 1), "banded", "banded, 1 diagonals below"),
        (aslinearoperator(GENERAL), "gmres", "products alone"),
        ([[1.0, 2.0], [3.0, 4.0]], "lu", "dense 2 x 2"),
        ([[5.0]], "lu", "dense 1 x 1"),
    ],
)
def test_auto_picks_by_structure_and_says_why(A: Any, name: str, reason: str) -> None:
    picked, why = select_linear_solver(A)
    assert picked == name and reason in why
    n = 2 if isinstance(A, list) and len(A) == 2 else 1 if isinstance(A, list) else A.shape[-1]
    b = np.ones((3, n)) if getattr(A, "ndim", 2) == 3 else np.ones(n)
    answer = solve_linear(A, b)
    assert f"auto picked {name}: " in answer.message


def test_an_indefinite_symmetric_matrix_goes_from_cholesky_to_lu() -> None:
    A = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.5], [0.0, 0.5, 1.0]])
    answer = solve_linear(A, ONES)
    assert answer.success and answer.solver == "lu" and not answer.fell_back
    assert "but not positive definite" in answer.message
