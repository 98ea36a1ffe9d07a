"""What bad input gets: an error that names the argument, or a result that is no success and says what to try.

Nothing here may end in a traceback from inside NumPy or Numba, or in a wrong answer called right.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from spectral_nn import BVP, solve_bvp

INTERVAL = (0.0, 1.0)
EITHER = (TypeError, ValueError)


def poisson(x: Any, u: Any) -> Any:
    return u.diff(2) - 1


def pair(x: Any, u: Any, v: Any) -> list[Any]:
    return [u.diff() - v, v.diff() + u]


def good(**changes: Any) -> dict[str, Any]:
    """Arguments of a problem that is fine, with some of them changed; a value of `...` removes one."""
    arguments = {"op": poisson, "domain": INTERVAL, "lbc": 0, "rbc": 0, **changes}
    return {name: value for name, value in arguments.items() if value is not ...}


# Each case: arguments, the exception, and words that its message must contain (all of them).
ERRORS: dict[str, tuple[dict[str, Any], Any, list[str]]] = {
    # the operator
    "op_not_callable": (good(op="u'' = 1"), TypeError, ["op", "callable", "str"]),
    "op_returns_constant": (good(op=lambda x, u: 1.0), TypeError, ["op", "float", "expression"]),
    "op_returns_string": (good(op=lambda x, u: "u''"), TypeError, ["op", "str", "expression"]),
    "op_returns_none": (good(op=lambda x, u: None), TypeError, ["op", "NoneType", "expression"]),
    "op_returns_array": (good(op=lambda x, u: x), TypeError, ["op", "ndarray", "expression"]),
    "op_without_unknown": (good(op=lambda x: x), ValueError, ["op", "unknown"]),
    "op_star_args": (good(op=lambda x, *u: u[0].diff(2)), ValueError, ["unknowns"]),
    "op_ignores_unknown": (
        good(op=lambda x, u, v: [u.diff(2), u - 1], lbc=None, rbc=None, bc=lambda x, u, v: u(0.0)),
        ValueError,
        ["op", "v"],
    ),
    "too_few_equations": (
        good(op=lambda x, u, v: u.diff() - v),
        ValueError,
        ["op", "1 equation", "2 unknowns"],
    ),
    "too_many_equations": (
        good(op=lambda x, u: [u.diff(2), u]),
        ValueError,
        ["op", "2 equations", "1 unknown"],
    ),
    "math_instead_of_numpy": (good(op=lambda x, u: u.diff(2) + math.sin(u)), TypeError, ["np.sin"]),
    "truth_value": (good(op=lambda x, u: u.diff(2) if u > 0 else u), ValueError, ["op", "np.where"]),
    "negative_derivative": (good(op=lambda x, u: u.diff(-1)), ValueError, ["diff", "-1"]),
    "fractional_derivative": (good(op=lambda x, u: u.diff(1.5)), EITHER, ["diff", "1.5"]),
    "array_of_unknown": (good(op=lambda x, u: u.diff(2) + np.sum(u)), TypeError, ["op", "u.sum()"]),
    "no_derivative_known": (good(op=lambda x, u: u.diff(2) + np.spacing(u)), TypeError, ["op", "spacing"]),
    "composition_with_itself": (good(op=lambda x, u: u.diff(2) - u(u)), TypeError, ["op", "unknown"]),
    "point_outside": (good(op=lambda x, u: u.diff(2) + u(3.0)), ValueError, ["op", "3", "domain"]),
    "jump_outside": (
        good(bc=lambda x, u: [u.jump(2.0), u.diff().jump(2.0)]),
        ValueError,
        ["2", "domain"],
    ),
    "list_in_operator": (good(op=lambda x, u: u.diff(2) + [1, 2]), TypeError, ["op", "list"]),
    "coefficient_not_called": (good(op=lambda x, u: u.diff(2) + np.sin * u), TypeError, ["op"]),
    "coefficient_of_wrong_shape": (
        good(op=lambda x, u: u.diff(2) + np.ones(5) * u),
        ValueError,
        ["op", "shape"],
    ),
    "coefficient_nan": (
        good(op=lambda x, u: u.diff(2) + np.log(x - 0.5) * u),
        ValueError,
        ["op", "finite", "x ="],
    ),
    "coefficient_inf": (
        good(op=lambda x, u: u.diff(2) + np.where(x > 0.7, np.inf, 1.0) * u),
        ValueError,
        ["op", "finite", "x ="],
    ),
    "complex_not_differentiable": (
        good(op=lambda x, u: u.diff(2) + 1j * u + np.abs(u)),
        TypeError,
        ["op", "differentiable"],
    ),
    # the domain
    "reversed_domain": (good(domain=(1, 0)), ValueError, ["domain", "a < b", "1"]),
    "empty_domain": (good(domain=(1, 1)), ValueError, ["domain", "a < b"]),
    "infinite_domain": (good(domain=(0, np.inf)), ValueError, ["domain", "finite", "inf"]),
    "nan_domain": (good(domain=(0, np.nan)), ValueError, ["domain", "finite", "nan"]),
    "domain_of_one": (good(domain=3.0), ValueError, ["domain", "pair"]),
    "domain_of_three": (good(domain=(0, 1, 2)), ValueError, ["domain", "pair"]),
    "domain_of_words": (good(domain=("a", "b")), ValueError, ["domain", "pair"]),
    # conditions
    "too_few_conditions": (good(rbc=...), ValueError, ["2 conditions", "got 1"]),
    "too_many_conditions": (good(lbc=lambda u: [u, u.diff()]), ValueError, ["2 conditions", "got 3"]),
    "too_few_for_a_system": (
        good(op=pair, lbc=lambda u, v: u, rbc=...),
        ValueError,
        ["2 conditions", "got 1", "u: 1", "v: 1"],
    ),
    "too_many_for_a_system": (good(op=pair, lbc=0, rbc=0), ValueError, ["2 conditions", "got 4"]),
    "parameter_without_condition": (
        good(op=lambda x, u, lam: u.diff(2) + lam * u, params={"lam": 1.0}),
        ValueError,
        ["3 conditions", "got 2"],
    ),
    "condition_for_order_0": (good(op=lambda x, u: u - x, rbc=...), ValueError, ["0 conditions", "got 1"]),
    "condition_unknown_word": (good(lbc="robin"), ValueError, ["lbc", "robin"]),
    "condition_nan": (good(lbc=np.nan), ValueError, ["lbc", "finite", "nan"]),
    "condition_of_wrong_type": (good(lbc=object()), TypeError, ["lbc", "object"]),
    "condition_list_for_system": (good(op=pair, lbc=[1, 2, 3], rbc=...), ValueError, ["lbc", "3", "2"]),
    "condition_callable_of_wrong_arity": (good(op=pair, lbc=lambda u: u), TypeError, ["lbc", "argument"]),
    "condition_of_too_high_order": (good(lbc=lambda u: u.diff(3)), ValueError, ["condition", "3", "2"]),
    "condition_returns_number": (good(lbc=lambda u: 0.0), TypeError, ["lbc", "expression"]),
    "condition_returns_array": (good(lbc=lambda u: np.zeros(3)), TypeError, ["lbc"]),
    "bc_unknown_word": (good(lbc=..., rbc=..., bc="antiperiodic"), ValueError, ["bc", "periodic"]),
    "bc_of_wrong_type": (good(lbc=..., rbc=..., bc=[0, 1]), TypeError, ["bc", "list"]),
    "bc_point_outside": (good(rbc=..., bc=lambda x, u: u(1.5)), ValueError, ["bc", "1.5", "domain"]),
    "bc_without_a_point": (good(rbc=..., bc=lambda x, u: u - 1), EITHER, ["bc"]),
    "periodic_with_lbc": (good(rbc=..., bc="periodic"), ValueError, ["periodic", "lbc"]),
    "periodic_order_0": (
        good(op=lambda x, u: u - x, lbc=..., rbc=..., bc="periodic"),
        ValueError,
        ["periodic", "order 0"],
    ),
    "periodic_with_parameter": (
        good(op=lambda x, u, p: u.diff(2) + p * u, lbc=..., rbc=..., bc="periodic", params={"p": 1.0}),
        ValueError,
        ["3 conditions", "got 2"],
    ),
    # right-hand side, parameters, break points, guess
    "rhs_string": (good(rhs="sin"), TypeError, ["rhs", "str"]),
    "rhs_wrong_count": (
        good(op=pair, lbc=lambda u, v: [u, v], rbc=..., rhs=[1, 2, 3]),
        ValueError,
        ["rhs", "2", "3"],
    ),
    "rhs_nan_nonlinear": (
        good(op=lambda x, u: u.diff(2) + u**2, rhs=lambda x: np.where(x > 0.5, np.nan, 1.0)),
        ValueError,
        ["rhs", "finite", "x ="],
    ),
    "rhs_wrong_shape": (good(rhs=lambda x: np.ones(3)), ValueError, ["rhs", "shape", "(3,)"]),
    "rhs_nan": (good(rhs=lambda x: np.where(x < 0.5, np.nan, 1.0)), ValueError, ["rhs", "finite", "x ="]),
    "params_not_a_dict": (good(params=[1.0]), TypeError, ["params", "dict", "list"]),
    "params_unknown_name": (good(params={"mu": 1.0}), ValueError, ["params", "mu"]),
    "params_nan": (
        good(op=lambda x, u, lam: u.diff(2) + lam * u, params={"lam": np.nan}),
        ValueError,
        ["params", "lam", "finite"],
    ),
    "breakpoint_outside": (good(breakpoints=(2.0,)), ValueError, ["breakpoints", "domain", "2"]),
    "breakpoint_nan": (good(breakpoints=(np.nan,)), ValueError, ["breakpoints", "nan"]),
    "breakpoints_not_numbers": (good(breakpoints=("a",)), EITHER, ["breakpoints"]),
    "guess_string": (good(guess="zero"), TypeError, ["guess", "str"]),
    "guess_wrong_count": (
        good(op=pair, lbc=lambda u, v: [u, v], rbc=..., guess=[1, 2, 3]),
        ValueError,
        ["guess", "2", "3"],
    ),
    "guess_nan": (good(guess=np.nan), ValueError, ["guess", "finite"]),
    "guess_nan_somewhere": (
        good(guess=lambda x: np.where(x < 0.5, np.nan, 1.0)),
        ValueError,
        ["guess", "finite"],
    ),
    "guess_wrong_shape": (good(guess=lambda x: np.ones(3)), ValueError, ["guess", "shape"]),
    # options
    "tol_negative": (good(tol=-1e-6), ValueError, ["tol", "0"]),
    "tol_zero": (good(tol=0.0), ValueError, ["tol", "0"]),
    "tol_nan": (good(tol=np.nan), ValueError, ["tol", "nan"]),
    "tol_string": (good(tol="small"), EITHER, ["tol"]),
    "unknown_linear_solver": (good(linear_solver="cramer"), ValueError, ["linear_solver", "cramer", "lu"]),
    "linear_solver_of_wrong_type": (good(linear_solver=3), TypeError, ["linear_solver", "int"]),
    "unknown_method": (good(method="magic"), ValueError, ["method", "magic", "auto"]),
    "max_iter_negative": (good(max_iter=-1), ValueError, ["max_iter", "-1"]),
    "unknown_option": (good(tolerance=1e-6), TypeError, ["tolerance"]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_misuse_raises_and_names_the_argument(name: str) -> None:
    arguments, exception, words = ERRORS[name]
    with pytest.raises(exception) as caught:
        solve_bvp(**arguments)
    message = str(caught.value)
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"
    assert "\n" not in message and len(message) < 400


# Problems without an answer, or without one that can be reached: never success, always a remedy.
FAILURES: dict[str, dict[str, Any]] = {
    "neumann_inconsistent": good(lbc=lambda u: u.diff(), rbc=lambda u: u.diff()),
    "neumann_underdetermined": good(
        op=lambda x, u: u.diff(2), lbc=lambda u: u.diff(), rbc=lambda u: u.diff()
    ),
    "resonance": good(op=lambda x, u: u.diff(2) + np.pi**2 * u - np.sin(np.pi * x)),
    "contradictory_conditions": good(
        op=lambda x, u: u.diff(2), lbc=..., rbc=..., bc=lambda x, u: [u(0.0), u(0.0) - 1]
    ),
    "periodic_resonance": good(
        op=lambda x, u: u.diff(2) + u - np.cos(x), domain=(0, 2 * np.pi), lbc=..., rbc=..., bc="periodic"
    ),
    "periodic_mean": good(op=lambda x, u: u.diff() - 1, lbc=..., rbc=..., bc="periodic"),
    "bratu_beyond_the_fold": good(op=lambda x, u: u.diff(2) + 4 * np.exp(u)),
    "no_real_root": good(op=lambda x, u: u**2 + 1, lbc=..., rbc=...),
    "blow_up": good(op=lambda x, u: u.diff() - u**2, domain=(0, 2), lbc=1, rbc=...),
    "logarithm_inside": good(op=lambda x, u: (x - 0.3) * u.diff() - 1, rbc=...),
    "not_finite_at_the_guess": good(op=lambda x, u: u.diff(2) + np.log(u - 5), guess=0),
    "iteration_limit": good(
        op=lambda x, u: 0.01 * u.diff(2) + 2 * (1 - x**2) * u + u**2 - 1, domain=(-1, 1), max_iter=1
    ),
    "resolution_limit": good(op=lambda x, u: u.diff(2) + 1e8 * u, rbc=1, max_n=64),
    "exponential_overflow": good(op=lambda x, u: u.diff(2) - np.exp(1000 * u), lbc=5, rbc=5),
    "noise_in_a_coefficient": good(op=lambda x, u: u.diff(2) - np.sin(1e9 * x**2) * u, rbc=1, max_n=2000),
}
REMEDIES = (
    "try",
    "pass",
    "give",
    "increase",
    "raise",
    "check",
    "use",
    "add",
    "remove",
    "change",
    "lower",
    "loosen",
)


@pytest.mark.parametrize("name", FAILURES)
def test_unsolvable_is_not_called_solved(name: str) -> None:
    result = solve_bvp(**FAILURES[name])
    assert not result.success
    assert any(word in result.message.lower() for word in REMEDIES), result.message
    assert int(result.status) != 0


def test_problem_is_checked_before_any_work() -> None:
    """`BVP(...)` alone finds misuse; the operator is called a few times only."""
    calls = 0

    def op(x: Any, u: Any) -> Any:
        nonlocal calls
        calls += 1
        return u.diff(2)

    with pytest.raises(ValueError, match="got 1"):
        BVP(op, INTERVAL, lbc=0)
    assert calls <= 3


def test_error_raised_by_the_users_operator_is_the_users() -> None:
    """A KeyError in the user's function is not swallowed or renamed."""

    def op(x: Any, u: Any) -> Any:
        return u.diff(2) + {"a": 1}["b"] * u

    with pytest.raises(KeyError, match="b"):
        solve_bvp(op, INTERVAL, lbc=0, rbc=0)


def test_nan_in_is_reported_as_nan_in() -> None:
    """The place of the NaN is named, and lies where the coefficient is NaN."""

    def coefficient(x: np.ndarray) -> np.ndarray:
        return np.where((x > 0.6) & (x < 0.8), np.nan, 1.0)

    with pytest.raises(ValueError, match="x = ") as caught:
        solve_bvp(lambda x, u: u.diff(2) + coefficient(x) * u, INTERVAL, lbc=0, rbc=1)
    place = float(str(caught.value).split("x = ")[1].split()[0].rstrip(".,;)"))
    assert 0.6 < place < 0.8


def test_cases_are_many() -> None:
    assert len(ERRORS) + len(FAILURES) >= 40
