"""Inequalities, bounds, several terms: optimality proved from the multipliers, in long double."""

import lp_data as data
import lp_reference as reference
import numpy as np
import pytest
import scipy.sparse as sp

from spectral_nn import LpProblem, LpTerm, minimize_lp

EXPONENTS = [1.05, 1.1, 1.5, 2, 3, 8, 32]
A, B = data.gaussian(120, 12)
G, H = data.gaussian(15, 12, seed=1)
E, F = data.gaussian(3, 12, seed=2)
EYE = np.eye(12)

CONSTRAINTS = {
    "nonnegative": {"lb": 0},
    "box": {"lb": -0.05, "ub": 0.05},
    "some bounds": {"lb": np.r_[np.zeros(6), np.full(6, -np.inf)]},
    "inequalities": {"G": G, "h": 0.05 * np.abs(H)},
    "inactive": {"G": G, "h": 10 + np.abs(H)},
    "rows without limit": {"G": G, "h": np.where(np.arange(15) % 3, 0.05, np.inf)},
    "simplex": {"lb": 0, "E": np.ones((1, 12)), "e": [1.0]},
    "all": {"lb": -1, "ub": 1, "E": E, "e": 0.1 * F, "G": G, "h": 0.5 + np.abs(H)},
    "infeasible start": {"lb": 2.0, "ub": 2.5},
}


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_one_norm(p, name):
    problem = LpProblem(LpTerm(A, B, p), **CONSTRAINTS[name])
    result = problem.solve()
    assert result.success, result
    assert result.nit <= 25
    reference.verify(problem, result)


TERMS = {
    "two norms": lambda p: [LpTerm(A, B, p), LpTerm(EYE, 0, 1.5, 0.5)],
    "a norm that vanishes": lambda p: [LpTerm(A, B, p), LpTerm(EYE, 0, 1.5, 50)],
    "two powers": lambda p: [LpTerm(A, B, p, kind="power"), LpTerm(EYE, 0.1, 3, 0.5, kind="power")],
    "norm and power": lambda p: [LpTerm(A, B, p), LpTerm(A[:20], 1.0, 2, 0.1, kind="power")],
    "groups": lambda p: [LpTerm(A, B, 2), LpTerm(EYE, 0, p, 1.0, groups=np.arange(12) // 3)],
    "rows of norms": lambda p: [LpTerm(A, B, p, groups=np.arange(120) // 4)],
}


@pytest.mark.parametrize("p", [1.1, 1.5, 2, 3, 8])
@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("extra", [{}, {"ridge": 0.1}, {"lb": 0}], ids=["free", "ridge", "nonnegative"])
def test_several_terms(p, name, extra):
    problem = LpProblem(TERMS[name](p), **extra)
    result = problem.solve()
    assert result.success, result
    reference.verify(problem, result)


@pytest.mark.parametrize("p", [1.2, 3])
def test_quadratic_and_linear_parts(p):
    Q = G.T @ G
    q = np.linspace(-1, 1, 12)
    problem = LpProblem([LpTerm(A, B, p, kind="power")], Q=Q, q=5 * q, E=E, e=F)
    result = problem.solve()
    assert result.success
    reference.verify(problem, result)


def test_no_term_at_all_is_a_quadratic_program():
    problem = LpProblem([], Q=EYE, q=-np.linspace(-1, 1, 12), lb=0)
    result = problem.solve()
    assert result.success
    assert np.allclose(result.x, np.maximum(np.linspace(-1, 1, 12), 0), atol=1e-5)
    reference.verify(problem, result)


@pytest.mark.parametrize("p", [1.2, 2, 4])
def test_ill_conditioned_data_within_bounds(p):
    ill, b = data.conditioned(120, 12, 1e8)
    problem = LpProblem(LpTerm(ill, b, p), lb=-1, ub=1)
    result = problem.solve()
    assert result.success
    reference.verify(problem, result)


def test_ill_conditioned_equalities():
    ill = data.conditioned(12, 5, 1e8)[0].T
    x = np.linspace(1, 2, 12)
    result = minimize_lp(A, B, 4, E=ill, e=ill @ x)
    assert result.success
    assert np.abs(ill @ (result.x - x)).max() <= 1e-14 * np.abs(x).max() * np.abs(ill).sum(axis=1).max()


def test_redundant_equalities_change_nothing():
    twice = minimize_lp(A, B, 3, E=np.vstack([E, E[:1] + E[1:2]]), e=np.r_[F, F[0] + F[1]])
    once = minimize_lp(A, B, 3, E=E, e=F)
    assert twice.success and twice.fun == pytest.approx(once.fun, rel=1e-12)


def test_equalities_that_leave_one_point():
    result = minimize_lp(A, B, 3, E=EYE, e=np.ones(12), lb=0)
    assert result.success and np.array_equal(result.x, np.ones(12))
    assert minimize_lp(A, B, 3, E=EYE, e=np.ones(12), lb=2).status.name == "INFEASIBLE"


@pytest.mark.parametrize("p", [1.1, 1.5, 3])
def test_zero_optimum_within_bounds(p):
    x = np.linspace(0.1, 0.9, 12)
    result = minimize_lp(A, A @ x, p, lb=0, ub=1)
    assert result.success and result.fun <= 1e-8 * np.linalg.norm(A @ x)


def test_minimum_norm_by_equalities():
    rng = np.random.default_rng(0)
    C, d = rng.standard_normal((6, 30)), rng.standard_normal(6)
    for p in (1.2, 4.0, 16.0):
        problem = LpProblem(LpTerm(np.eye(30), 0, p), E=C, e=d)
        result = problem.solve()
        assert result.success
        reference.verify(problem, result)
        # by duality the value is max d'z s.t. ||C'z||_q <= 1
        q = p / (p - 1)
        assert np.linalg.norm(C.T @ result.eq_dual, q) == pytest.approx(1.0, rel=1e-8)


# -- sparse ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.2, 1.5, 3, 8])
def test_graph_laplacian_with_known_labels(p):
    D, _ = data.graph(400)
    E = sp.csr_array((np.ones(10), (np.arange(10), np.arange(0, 400, 40))), shape=(10, 400))
    e = np.tile([1.0, -1.0], 5)
    sparse = minimize_lp(D, 0, p, E=E, e=e)
    dense = minimize_lp(D.toarray(), 0, p, E=E.toarray(), e=e)
    assert sparse.success and dense.success
    assert sparse.fun == pytest.approx(dense.fun, rel=1e-9)
    assert np.array_equal(sparse.x[::40], e)
    assert np.allclose(D.T @ sparse.dual[0] + E.T @ sparse.eq_dual, 0, atol=1e-9)


@pytest.mark.parametrize("extra", [{}, {"lb": -2.0, "ub": 2.0}], ids=["free", "box"])
@pytest.mark.parametrize("p", [1.2, 3])
def test_sparse_agrees_with_dense(p, extra):
    rng = np.random.default_rng(0)
    S = sp.random_array((600, 200), density=0.02, rng=rng, format="csr") + sp.eye_array(600, 200)
    b = rng.standard_normal(600)
    C = sp.random_array((5, 200), density=0.1, rng=rng, format="csr")
    sparse = LpProblem(
        [LpTerm(S, b, p), LpTerm(sp.eye_array(200), 0, 1.5, 0.1)], E=C, e=np.ones(5), **extra
    ).solve()
    dense = LpProblem(
        [LpTerm(S.toarray(), b, p), LpTerm(np.eye(200), 0, 1.5, 0.1)], E=C.toarray(), e=np.ones(5), **extra
    ).solve()
    assert sparse.success and dense.success
    assert sparse.fun == pytest.approx(dense.fun, rel=2e-9)


def test_sparse_singular_matrix():
    D, _ = data.graph(300)  # constants are in its null space
    b = np.random.default_rng(0).standard_normal(D.shape[0])
    sparse, dense = minimize_lp(D, b, 3), minimize_lp(D.toarray(), b, 3)
    assert sparse.success and sparse.fun == pytest.approx(dense.fun, rel=1e-9)
