"""More forms: constraints, attributes of variables, parameters, and the less common affine atoms."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy_forms import FORMS, Form, M, N, data, fit, form
from proven_minimizers import Piece, Statement

__all__ = ["FORMS", "Form"]


@form
def equality(rng, p):
    A, b = data(rng)
    E, e = data(rng, 2)
    x = cp.Variable(N)
    constraint = E @ x == e
    return Form(
        cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [constraint]),
        fit(A, b, p, E=E, e=e),
        [x],
        [constraint],
    )


@form
def least_norm(rng, p):
    E, e = data(rng, 3, 9)
    x = cp.Variable(9)
    constraint = E @ x == e
    return Form(
        cp.Problem(cp.Minimize(cp.norm(x, p)), [constraint]),
        fit(np.eye(9), np.zeros(9), p, E=E, e=e),
        [x],
        [constraint],
    )


@form
def zero_constraint(rng, p):
    A, b = data(rng)
    E, e = data(rng, 2)
    x = cp.Variable(N)
    constraint = cp.Zero(e - E @ x)
    out = fit(A, b, p, "power", E=-E, e=-e)
    return Form(
        cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(A @ x - b), p))), [constraint]), out, [x], [constraint]
    )


@form
def inequality(rng, p):
    A, b = data(rng)
    G = rng.standard_normal((6, N))
    h = G @ rng.standard_normal(N) + 0.1
    x = cp.Variable(N)
    constraint = G @ x <= h
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [constraint])
    return Form(problem, fit(A, b, p, G=G, h=h), [x], [], [constraint])


@form
def greater_or_equal(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    constraint = cp.sum(x) >= 2
    problem = cp.Problem(cp.Maximize(-cp.norm(A @ x - b, p)), [constraint])
    return Form(problem, fit(A, b, p, G=-np.ones((1, N)), h=-2 * np.ones(1)), [x], [], [constraint])


@form
def nonneg_constraint(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    constraint = cp.NonNeg(2 * x - 0.1)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [constraint])
    return Form(problem, fit(A, b, p, G=-2 * np.eye(N), h=-0.1 * np.ones(N)), [x], [], [constraint])


@form
def box(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    low, high = x >= -0.05, x <= 0.1
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(A @ x - b), p))), [low, high])
    G, h = np.vstack([-np.eye(N), np.eye(N)]), np.concatenate([np.full(N, 0.05), np.full(N, 0.1)])
    return Form(problem, fit(A, b, p, "power", G=G, h=h), [x], [], [low, high])


@form
def bound_of_a_slice(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    low = 3 * x[1:3] >= np.array([0.6, 0.9])
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [low])
    G = np.zeros((2, N))
    G[0, 1] = G[1, 2] = -3.0
    return Form(problem, fit(A, b, p, G=G, h=-np.array([0.6, 0.9])), [x], [], [low])


@form
def nonnegative_variable(rng, p):
    A, b = data(rng)
    x = cp.Variable(N, nonneg=True)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)))
    return Form(problem, fit(A, b, p, G=-np.eye(N), h=np.zeros(N)), [x])


@form
def variable_with_bounds(rng, p):
    A, b = data(rng)
    low, high = -0.1 * rng.random(N), 0.1 * rng.random(N)
    x = cp.Variable(N, bounds=[low, high])
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)))
    return Form(
        problem, fit(A, b, p, G=np.vstack([-np.eye(N), np.eye(N)]), h=np.concatenate([-low, high])), [x]
    )


@form
def symmetric_variable(rng, p):
    T = rng.standard_normal((3, 3))
    S = cp.Variable((3, 3), symmetric=True)
    problem = cp.Problem(cp.Minimize(cp.pnorm(S - T, p)))
    rows, cols = np.triu_indices(3)
    number = np.zeros((3, 3), dtype=int)
    number[rows, cols] = number[cols, rows] = np.arange(6)
    A = np.eye(6)[number.reshape(-1, order="F")]
    entries = np.array([c * 3 + r for r, c in zip(rows, cols, strict=True)])
    return Form(problem, fit(A, T.reshape(-1, order="F"), p), [S], entries=entries)


@form
def diagonal_variable(rng, p):
    A, b = data(rng, M, 3)
    D = cp.Variable((3, 3), diag=True)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ (D @ np.ones(3)) - b, p)))
    return Form(problem, fit(A, b, p), [D], entries=np.array([0, 4, 8]))


@form
def parameters(rng, p):
    A, b = data(rng)
    PA, Pb, gamma = (
        cp.Parameter((M, N), value=A),
        cp.Parameter(M, value=b),
        cp.Parameter(nonneg=True, value=0.7),
    )
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.norm(PA @ x - Pb, p) + gamma * cp.sum_squares(x)))
    return Form(
        problem, Statement([Piece(A, b, p, "norm"), Piece(np.eye(N), np.zeros(N), 2, weight=0.7)], N), [x]
    )


@form
def location(rng, p):
    """A scalar variable, promoted."""
    b = rng.standard_normal(M)
    x = cp.Variable()
    return Form(cp.Problem(cp.Minimize(cp.norm(x - b, p))), fit(np.ones((M, 1)), b, p), [x])


@form
def cumulative_sum(rng, p):
    b = rng.standard_normal(8)
    x = cp.Variable(8)
    problem = cp.Problem(cp.Minimize(cp.norm(cp.cumsum(x) - b, p) + cp.sum_squares(x)))
    L = np.tril(np.ones((8, 8)))
    return Form(problem, Statement([Piece(L, b, p, "norm"), Piece(np.eye(8), np.zeros(8), 2)], 8), [x])


@form
def kronecker(rng, p):
    C, T = rng.standard_normal((2, 2)), rng.standard_normal((4, 6))
    X = cp.Variable((2, 3))
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(cp.kron(C, X) - T), p))))
    columns = [np.kron(C, E.reshape(2, 3, order="F")).reshape(-1, order="F") for E in np.eye(6)]
    return Form(problem, fit(np.column_stack(columns), T.reshape(-1, order="F"), p, "power"), [X])


@form
def convolution(rng, p):
    c, b = rng.standard_normal(4), rng.standard_normal(9)
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(cp.convolve(c, x) - b, p)))
    return Form(problem, fit(np.column_stack([np.convolve(c, e) for e in np.eye(6)]), b, p), [x])


@form
def sparse_constant(rng, p):
    A = sp.random_array((60, 8), density=0.3, rng=rng, format="csc") + sp.eye_array(60, 8, format="csc")
    b = rng.standard_normal(60)
    x = cp.Variable(8)
    return Form(cp.Problem(cp.Minimize(cp.norm(A @ x - b, p))), fit(A.toarray(), b, p), [x])


@form
def several_exponents(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(
        cp.Minimize(cp.norm(A @ x - b, p) + 2 * cp.norm(x, 1.5) + 0.5 * cp.sum(cp.power(x, 4)))
    )
    I, o = np.eye(N), np.zeros(N)
    pieces = [Piece(A, b, p, "norm"), Piece(I, o, 1.5, "norm", 2.0), Piece(I, o, 4, weight=0.5)]
    return Form(problem, Statement(pieces, N), [x])


@form
def fewer_rows_than_unknowns(rng, p):
    A, b = data(rng, 4, 10)
    x = cp.Variable(10)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(A @ x - b), p)) + 0.1 * cp.sum_squares(x)))
    return Form(problem, Statement([Piece(A, b, p), Piece(np.eye(10), np.zeros(10), 2, weight=0.1)], 10), [x])


@form
def power_of_square(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.square(A @ x - b), 1.5))))
    return Form(problem, fit(A, b, 3.0, "power"), [x])


@form
def divided(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    statement = fit(A / 3, b / 3, p)
    statement.pieces[0].weight = 0.5
    return Form(cp.Problem(cp.Minimize(cp.norm((A @ x - b) / 3, p) / 2)), statement, [x])


@form
def cube_with_its_domain(rng, p):
    """``x ** 3`` is defined for x >= 0 alone: the domain binds."""
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.sum(x**3) + cp.norm(A @ x - b, p)))
    pieces = [Piece(np.eye(N), np.zeros(N), 3), Piece(A, b, p, "norm")]
    return Form(problem, Statement(pieces, N, G=-np.eye(N), h=np.zeros(N)), [x])


@form
def everything_at_once(rng, p):
    A, b = data(rng)
    E, G = rng.standard_normal((1, N)), rng.standard_normal((2, N))
    x = cp.Variable(N, bounds=[-1, None])
    equal, less, low = E @ x == 0.3, G @ x <= np.array([0.05, 0.1]), x[0] >= 0.02
    objective = cp.Minimize(cp.norm(A @ x - b, p) + cp.sum_squares(x) - 0.5 * cp.sum(x))
    G_all = np.vstack([G, -np.eye(N)[:1], -np.eye(N)])
    h_all = np.concatenate([[0.05, 0.1], [-0.02], np.ones(N)])
    pieces = [Piece(A, b, p, "norm"), Piece(np.eye(N), np.zeros(N), 2)]
    statement = Statement(pieces, N, None, np.full(N, -0.5), E, np.array([0.3]), G_all, h_all)
    return Form(cp.Problem(objective, [equal, less, low]), statement, [x], [equal], [less, low])


@form
def matrix_constraint(rng, p):
    """A matrix equality: its dual is a matrix."""
    T = rng.standard_normal((3, 4))
    X = cp.Variable((3, 4))
    C = rng.standard_normal((4, 2))
    constraint = X @ C == np.ones((3, 2))
    problem = cp.Problem(cp.Minimize(cp.pnorm(X - T, p)), [constraint])
    E = np.kron(C.T, np.eye(3))
    return Form(problem, fit(np.eye(12), T.reshape(-1, order="F"), p, E=E, e=np.ones(6)), [X], [constraint])


@form
def diagonal_entries_and_trace(rng, p):
    T = rng.standard_normal((3, 3))
    X = cp.Variable((3, 3))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - T) + cp.norm(cp.diag(X), p) + cp.trace(X)))
    pick = np.eye(9)[[0, 4, 8]]
    pieces = [Piece(np.eye(9), T.reshape(-1, order="F"), 2), Piece(pick, np.zeros(3), p, "norm")]
    return Form(problem, Statement(pieces, 9, q=pick.sum(axis=0)), [X])


@form
def sums_along_an_axis(rng, p):
    T = rng.standard_normal((3, 4))
    X = cp.Variable((3, 4))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - T) + cp.norm(cp.sum(X, axis=1) - 1, p)))
    S = np.kron(np.ones((1, 4)), np.eye(3))
    pieces = [Piece(np.eye(12), T.reshape(-1, order="F"), 2), Piece(S, np.ones(3), p, "norm")]
    return Form(problem, Statement(pieces, 12), [X])


@form
def picked_entries(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    mask = np.array([True, False, True, False])
    problem = cp.Problem(
        cp.Minimize(cp.norm(A @ x - b, p) + cp.sum_squares(x[[3, 0, 3]]) + cp.sum_squares(x[mask]))
    )
    I = np.eye(N)
    pieces = [Piece(A, b, p, "norm"), Piece(I[[3, 0, 3]], np.zeros(3), 2), Piece(I[mask], np.zeros(2), 2)]
    return Form(problem, Statement(pieces, N), [x])


@form
def variance(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p) + cp.var(x)))
    centre = np.eye(N) - 1 / N
    return Form(
        problem, Statement([Piece(A, b, p, "norm"), Piece(centre, np.zeros(N), 2, weight=1 / N)], N), [x]
    )


@form
def broadcast_rows(rng, p):
    T = rng.standard_normal((5, 3))
    x = cp.Variable((1, 3))
    problem = cp.Problem(cp.Minimize(cp.pnorm(x - T, p)))
    return Form(problem, fit(np.kron(np.eye(3), np.ones((5, 1))), T.reshape(-1, order="F"), p), [x])


@form
def three_dimensional(rng, p):
    T = rng.standard_normal((2, 3, 2))
    X = cp.Variable((2, 3, 2))
    problem = cp.Problem(cp.Minimize(cp.pnorm(cp.vec(X - T, order="F"), p) + cp.sum_squares(X)))
    t = T.reshape(-1, order="F")
    return Form(problem, Statement([Piece(np.eye(12), t, p, "norm"), Piece(np.eye(12), 0 * t, 2)], 12), [X])
