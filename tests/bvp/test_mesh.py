"""The mesh: polynomials are represented exactly, functionals agree with evaluation, remeshing loses nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_nn.bvp.mesh import Mesh, State
from spectral_nn.chebyshev import ChebSeries

ORDERS = (2, 0, 1)
T = np.array([-1.0, -0.2, 0.5, 2.0])


def state_of(functions, mesh):
    """A state from exact functions f(x, k)."""
    state = State.zeros(mesh, 0)
    for j, f in enumerate(functions):
        d = int(mesh.orders[j])
        state.W[:, j] = f(mesh.x, d).reshape(mesh.E, mesh.p)
        for k in range(d):
            state.Z[:, mesh.zoff[j] + k] = f(mesh.t, k)
    return state


def polynomials(degree=7, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for _ in ORDERS:
        p = np.polynomial.Polynomial(rng.standard_normal(degree + 1))
        made.append(lambda x, k, p=p: p.deriv(k)(x) if k else p(x))
    return made


@pytest.mark.parametrize("p", [8, 12, 16, 33])
def test_fields_of_polynomials_are_exact(p):
    mesh, fs = Mesh(T, p, ORDERS), polynomials()
    state = state_of(fs, mesh)
    for between, x in ((False, mesh.x), (True, mesh.x_between)):
        values = state.fields(between)
        for j, d in enumerate(ORDERS):
            for k in range(d + 1):
                exact = fs[j](x, k)
                assert np.abs(values[mesh.slot[j] + k] - exact).max() < 1e-12 * np.abs(exact).max()


def test_judging_points_are_off_the_nodes():
    mesh = Mesh(T, 16, ORDERS)
    assert np.abs(mesh.x_between[:, None] - mesh.x).min() > 1e-4


@settings(max_examples=30, deadline=None)
@given(j=st.integers(0, 2), x0=st.floats(-1, 2), seed=st.integers(0, 5))
def test_rows_are_evaluations(j, x0, seed):
    mesh, fs = Mesh(T, 10, ORDERS), polynomials(seed=seed)
    state = state_of(fs, mesh)
    for k in range(ORDERS[j] + 1):
        e, row = mesh.row(j, k, x0)
        value = row[: mesh.D] @ state.Z[e] + row[mesh.D :] @ state.W[e].ravel()
        assert abs(value - fs[j](np.array([x0]), k)[0]) < 1e-10 * (1 + abs(value))
        assert abs(state.at(j, k, x0) - value) < 1e-12 * (1 + abs(value))


def test_integral_rows_are_quadrature():
    mesh, fs = Mesh(T, 16, ORDERS), polynomials(degree=5)
    state = state_of(fs, mesh)
    for j in range(3):
        rows = mesh.integral_row(j, 0, mesh.weights * np.cos(mesh.x))
        total = sum(
            rows[e, : mesh.D] @ state.Z[e] + rows[e, mesh.D :] @ state.W[e].ravel() for e in range(mesh.E)
        )
        exact = ChebSeries.from_function(lambda x, j=j: fs[j](x, 0) * np.cos(x), (-1, 2)).sum()
        assert abs(total - exact) < 1e-11 * (1 + abs(exact))


def test_remeshing_polynomials_is_exact_and_series_agree():
    mesh, fs = Mesh(T, 12, ORDERS), polynomials()
    moved = state_of(fs, mesh).to_mesh(Mesh(np.array([-1.0, 0.1, 0.3, 0.9, 1.1, 2.0]), 9, ORDERS))
    x = np.linspace(-1, 2, 101)
    for j, d in enumerate(ORDERS):
        series = moved.series(j)
        for k in range(d + 3):
            exact = fs[j](x, k)
            assert np.abs(series(x, k) - exact).max() < 1e-9 * np.abs(exact).max()
