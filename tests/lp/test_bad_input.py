"""Misuse raises a sentence that names the argument; problems without a solution are a status with a proof."""

import numpy as np
import pytest
import scipy.sparse as sp

from spectral_nn import LpProblem, LpTerm, minimize_lp, minimize_lp_batch

A, B = np.random.default_rng(0).standard_normal((8, 3)), np.arange(8.0)
NAN = A.copy()
NAN[2, 1] = np.nan

WRONG = {
    "p = 1": (lambda: minimize_lp(A, B, 1), ValueError, "p must be greater than 1"),
    "p < 1": (lambda: minimize_lp(A, B, 0.5), ValueError, "not convex"),
    "p infinite": (lambda: minimize_lp(A, B, np.inf), ValueError, "p must be finite"),
    "p nan": (lambda: minimize_lp(A, B, np.nan), ValueError, "p is nan"),
    "p a string": (lambda: minimize_lp(A, B, "2"), TypeError, "p must be one real number"),  # type: ignore
    "p complex": (lambda: minimize_lp(A, B, 2 + 1j), TypeError, "p must be one real number"),  # type: ignore
    "A complex": (lambda: minimize_lp(A + 0j, B, 3), TypeError, "A is complex"),
    "b complex": (lambda: minimize_lp(A, B * 1j, 3), TypeError, "b is complex"),
    "A has nan": (lambda: minimize_lp(NAN, B, 3), ValueError, r"A\[2, 1\] is nan"),
    "sparse A has nan": (lambda: minimize_lp(sp.csr_array(NAN), B, 3), ValueError, r"A\[2, 1\] is nan"),
    "b has inf": (lambda: minimize_lp(A, np.r_[B[:-1], np.inf], 3), ValueError, r"b\[7\] is inf"),
    "A one-dimensional": (lambda: minimize_lp(B, B, 3), ValueError, "A must have two dimensions"),
    "A three-dimensional": (lambda: minimize_lp(A[None], B, 3), ValueError, "A must have two dimensions"),
    "b too long": (lambda: minimize_lp(A, np.ones(9), 3), ValueError, r"b must have shape \(8,\)"),
    "A of words": (lambda: minimize_lp([["a", "b"]], [1], 3), TypeError, "A must be an array of real numbers"),
    "weights negative": (lambda: minimize_lp(A, B, 3, weights=-B), ValueError, "row_weights must be nonneg"),
    "ridge negative": (lambda: minimize_lp(A, B, 3, ridge=-1), ValueError, "ridge must be a finite number"),
    "kind unknown": (lambda: minimize_lp(A, B, 3, kind="sum"), ValueError, "kind must be one of"),  # type: ignore
    "keyword unknown": (lambda: minimize_lp(A, B, 3, tolerance=1), TypeError, "tolerance"),  # type: ignore
    "tol zero": (lambda: minimize_lp(A, B, 3, tol=0), ValueError, "tol must be"),
    "max_iter fraction": (lambda: minimize_lp(A, B, 3, max_iter=1.5), ValueError, "max_iter must be an integer"),  # type: ignore
    "E without e": (lambda: minimize_lp(A, B, 3, E=A[:1]), ValueError, "E was given without e"),
    "e without E": (lambda: minimize_lp(A, B, 3, e=[1]), ValueError, "e was given without E"),
    "E too wide": (lambda: minimize_lp(A, B, 3, E=np.eye(4), e=0), ValueError, "E must have 3 columns"),
    "h nan": (lambda: minimize_lp(A, B, 3, G=A, h=np.full(8, np.nan)), ValueError, r"h\[0\] is nan"),
    "h -inf": (lambda: minimize_lp(A, B, 3, G=A, h=-np.inf), ValueError, "which no x can satisfy"),
    "lb too long": (lambda: minimize_lp(A, B, 3, lb=np.zeros(4)), ValueError, "lb must be a number or have shape"),
    "lb +inf": (lambda: minimize_lp(A, B, 3, lb=np.inf), ValueError, "which no x can satisfy"),
    "x0 too long": (lambda: minimize_lp(A, B, 3, x0=np.zeros(4)), ValueError, r"x0 must have shape \(3,\)"),
    "dual0 too many": (lambda: minimize_lp(A, B, 3, x0=np.zeros(3), dual0=[B, B]), ValueError, "dual0 must hold 1"),
    "solver unknown": (lambda: minimize_lp(A, B, 3, linear_solver="fast"), ValueError, "fast"),
    "Q indefinite": (
        lambda: LpProblem(LpTerm(A, B, 3), Q=np.diag([1, 1, -1])).solve(),
        ValueError,
        "Q must be positive semidefinite",
    ),
    "Q not symmetric": (
        lambda: LpProblem(LpTerm(A, B, 3), Q=np.triu(np.ones((3, 3)))),
        ValueError,
        "Q must be symmetric",
    ),
    "terms of unlike width": (
        lambda: LpProblem([LpTerm(A, B, 3), LpTerm(np.eye(4), 0, 2)]),
        ValueError,
        r"terms\[1\].A must have 3 columns",
    ),
    "not a term": (lambda: LpProblem([A]), TypeError, r"terms\[0\] must be an LpTerm"),  # type: ignore
    "nothing at all": (lambda: LpProblem([]), ValueError, "number n of unknowns must be given"),
    "groups of a power": (lambda: LpTerm(A, B, 3, kind="power", groups=B), ValueError, "groups is for kind='norm'"),
    "groups too few": (lambda: LpTerm(A, B, 3, groups=[1]), ValueError, "one label per row"),
    "batch of unlike sizes": (
        lambda: minimize_lp_batch(np.stack([A, A]), np.stack([B, B, B]), 3),
        ValueError,
        "the numbers must agree",
    ),
    "batch has nan": (lambda: minimize_lp_batch(np.stack([A, NAN]), B, 3), ValueError, r"A\[1, 2, 1\] is nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_misuse_raises(name):
    call, kind, sentence = WRONG[name]
    with pytest.raises(kind, match=sentence):
        call()


def prove_infeasible(problem, result):
    """Farkas: a combination of the constraints that reads 0 <= -1."""
    c = result.certificate
    left, right = np.zeros(problem.n), 0.0
    if problem.E is not None:
        left, right = left + problem.E.T @ c["eq"], right + problem.e @ c["eq"]
    if problem.G is not None:
        finite = np.isfinite(problem.h)
        left, right = left + problem.G.T @ c["ineq"], right + problem.h[finite] @ c["ineq"][finite]
    if problem.lb is not None:
        finite = np.isfinite(problem.lb)
        left, right = left - c["lb"], right - problem.lb[finite] @ c["lb"][finite]
    if problem.ub is not None:
        finite = np.isfinite(problem.ub)
        left, right = left + c["ub"], right + problem.ub[finite] @ c["ub"][finite]
    for name in ("ineq", "lb", "ub"):
        assert (c[name] >= -1e-12).all()
    assert right == pytest.approx(-1.0)
    assert np.abs(left).max() <= 1e-7


E1 = np.ones((1, 3))
INFEASIBLE = {
    "equalities": {"E": np.vstack([E1, E1]), "e": [1.0, 2.0]},
    "one combination": {"E": np.vstack([A[:2], A[:1] + A[1:2]]), "e": [1.0, 1.0, 3.0]},
    "bounds": {"lb": 1.0, "ub": [2.0, 0.5, 2.0]},
    "half-spaces": {"G": np.vstack([E1, -E1]), "h": [0.0, -1.0]},
    "equality against bounds": {"E": E1, "e": [-1.0], "lb": 0.0},
    "one point outside": {"E": np.eye(3), "e": [1.0, 1.0, 1.0], "lb": 2.0},
}


@pytest.mark.parametrize("name", INFEASIBLE)
@pytest.mark.parametrize("p", [1.2, 3])
def test_infeasible_constraints_are_proved_so(name, p):
    problem = LpProblem(LpTerm(A, B, p), **INFEASIBLE[name])
    result = problem.solve()
    assert not result.success and result.status.name == "INFEASIBLE"
    assert result.fun == np.inf and "certificate" in result.message
    prove_infeasible(problem, result)


def test_sparse_equalities_that_contradict():
    E = sp.csr_array(np.eye(200)[[3, 7, 3]])
    problem = LpProblem(LpTerm(sp.eye_array(200), 0, 3), E=E, e=[1.0, 1.0, 2.0])
    result = problem.solve()
    assert result.status.name == "INFEASIBLE"
    prove_infeasible(problem, result)


UNBOUNDED = {
    "linear outside the range": LpProblem(LpTerm(np.eye(3)[:2], 0, 3), q=[0, 0, 1]),
    "linear beats the norm": LpProblem(LpTerm(np.eye(3), 0, 3), q=[2, 0, 0]),
    "half-space is no help": LpProblem(LpTerm(np.eye(3)[:2], 1, 3, kind="power"), q=[0, 0, 1], ub=5.0),
    "within equalities": LpProblem(LpTerm(np.eye(3)[:1], 0, 3), q=[0, 1, 1], E=[[0, 1, -1]], e=[0]),
    "singular quadratic": LpProblem([], Q=np.diag([1.0, 0, 0]), q=[0, 1, 0]),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_unbounded_problems_are_proved_so(name):
    problem = UNBOUNDED[name]
    result = problem.solve()
    assert not result.success and result.status.name == "UNBOUNDED" and result.fun == -np.inf
    d = result.certificate["direction"]
    d = d / np.abs(d).max()
    far, farther = problem.objective(1e6 * d), problem.objective(2e6 * d)
    assert farther < 1.5 * far < 0  # falls at least linearly
    for matrix in (problem.E,):
        assert matrix is None or np.abs(matrix @ d).max() <= 1e-8
    assert problem.ub is None or (d <= 1e-8).all()


def test_linear_term_that_the_norm_just_outweighs():
    result = LpProblem(LpTerm(np.eye(3), 0, 3), q=[0.5, 0, 0]).solve()
    assert result.success and abs(result.fun) <= 1e-6


def test_iteration_limit_and_callback_are_a_status():
    result = minimize_lp(A, B, 16, max_iter=1)
    assert not result.success and result.status.name == "MAX_ITER" and "max_iter" in result.message
    assert result.nit == 1 and result.gap > 1e-9

    def stop(info):
        assert set(info) == {"nit", "fun", "gap", "step"}
        if info["nit"] == 2:
            raise StopIteration

    result = minimize_lp(A, B, 16, callback=stop)
    assert result.status.name == "STOPPED" and result.nit == 2


def test_verbose_logs_and_prints_nothing(caplog, capsys):
    with caplog.at_level("INFO", logger="spectral_nn"):
        result = minimize_lp(A, B, 8, verbose=2)
    assert len(caplog.records) == result.nit + 2
    assert capsys.readouterr().out == ""
