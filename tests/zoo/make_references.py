"""Compute the references of the problems that have no closed form, by methods that are not this library's.

    python -m tests.zoo.make_references [name ...]

- `gauss`: the first-order form by Gauss collocation with 8 stages (order 16) on a mesh that SciPy's
  `solve_bvp` found, with the Newton iteration of this file; solved on the mesh and on the halved mesh, whose
  difference is stored as the error estimate. Break points are nodes of the mesh.
- `airy`: Airy functions in 60 digits by mpmath.
- `ivp`: Runge-Kutta of order 8 (SciPy's DOP853) at rtol 1e-13, checked against rtol 1e-12.
- `roots`: Newton at each point, in 30 digits by mpmath.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from scipy.integrate import solve_bvp, solve_ivp
from scipy.interpolate import BarycentricInterpolator
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from tests.problems import FirstOrder, Problem, all_problems
from tests.zoo.problem import REFERENCES

Array = np.ndarray
STAGES = 8
POINTS = 33


def main(names: list[str]) -> None:
    known: dict[str, Any] = json.loads(REFERENCES.read_text()) if REFERENCES.exists() else {}
    wanted = [p for p in all_problems() if p.stored and (not names or p.name in names)]
    for p in wanted:
        try:
            known[p.name] = reference(p)
        except (RuntimeError, ValueError) as failure:
            print(f"{p.name:28s} FAILED {failure}", flush=True)
            continue
        print(f"{p.name:28s} {known[p.name]['how'][:40]:40s} {known[p.name]['error']:.1e}", flush=True)
    rounded = {name: known[name] for name in sorted(known)}
    REFERENCES.write_text(
        json.dumps(rounded, indent=None, separators=(",", ":")).replace('},"', '},\n"') + "\n"
    )


def reference(p: Problem) -> dict[str, Any]:
    """The entry of ``references.json`` for one problem."""
    special: dict[str, Callable[[Problem], dict[str, Any]]] = {
        "lane_emden_1.5": lambda q: lane_emden(1.5, q),
        "lane_emden_4.5": lambda q: lane_emden(4.5, q),
        "thomas_fermi": thomas_fermi,
        "van_der_pol_period": van_der_pol_period,
        "order0_system": order0_system,
    }
    if p.name in special:
        return special[p.name](p)
    if p.name.startswith("airy"):
        return airy(p, 1.0)
    if p.name.startswith("T15"):
        return airy(p, float(p.name.split("_")[1]))
    if "ivp" in p.tags:
        return initial_value(p)
    assert p.first_order is not None, p.name
    return gauss(p, p.first_order, p.domain)


def gauss(p: Problem, form: FirstOrder, domain: tuple[float, float]) -> dict[str, Any]:
    x = sample(domain)
    nodes, start = starting_mesh(p, form, domain)
    answers = []
    for split in (1, 2):
        mesh = np.unique(
            np.concatenate([nodes[:-1] + (nodes[1:] - nodes[:-1]) * k / split for k in range(split)])
        )
        mesh = np.append(mesh, nodes[-1]) if mesh[-1] < nodes[-1] else mesh
        answers.append(collocate(form, mesh, start)(x)[list(form.rows)])
    return entry(x, answers[1], answers[0], f"Gauss collocation, {STAGES} stages, {mesh.size - 1} intervals")


def starting_mesh(
    p: Problem, form: FirstOrder, domain: tuple[float, float]
) -> tuple[Array, Callable[[Array], Array]]:
    """SciPy's mesh thinned to every fourth interval, and its solution."""
    if "piecewise" in p.tags:  # SciPy's mesh cannot hold a break; these are easy from the guess
        return np.union1d(np.linspace(*domain, 41), p.breakpoints), form.guess
    for nodes in (11, 41, 201, 1001):
        x = np.linspace(*domain, nodes)
        found = solve_bvp(form.fun, form.bc, x, form.guess(x), tol=1e-6, max_nodes=100000)
        if found.success:
            break
    else:
        raise RuntimeError(f"scipy found no start: {found.message}")
    mesh = np.union1d(found.x[::4], np.linspace(*domain, 21))
    mesh = np.union1d(mesh, np.array([domain[1]]))
    mesh = mesh[np.concatenate([[True], np.diff(mesh) > 1e-9 * (domain[1] - domain[0])])]
    mesh[-1] = domain[1]
    return mesh, found.sol


def collocate(form: FirstOrder, mesh: Array, start: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Gauss-Legendre collocation of y' = f(x, y): unknowns y at the nodes and y' at the stages.

    On each interval y_(e+1) = y_e + h sum b_j k_j, Y_i = y_e + h sum a_ij k_j and k_i = f(x_i, Y_i).
    """
    c, a, b = tableau(STAGES)
    h, left = np.diff(mesh), mesh[:-1]
    points = (left[:, None] + h[:, None] * c).ravel()
    y = start(mesh)
    m, count = y.shape[0], h.size
    k = form.fun(points, start(points)).reshape(m, count, STAGES).transpose(1, 2, 0)  # (E, s, m)
    y = y.T.copy()  # (E + 1, m)
    last = np.inf
    for _ in range(60):
        stage = y[:-1, None, :] + h[:, None, None] * np.einsum("ij,ejm->eim", a, k)
        flat = stage.reshape(-1, m).T
        f = form.fun(points, flat)
        jac = jacobian(lambda z: form.fun(points, z), flat).reshape(m, m, count, STAGES).transpose(2, 3, 0, 1)
        r_stage = k - f.reshape(m, count, STAGES).transpose(1, 2, 0)
        r_node = y[1:] - y[:-1] - h[:, None] * np.einsum("j,ejm->em", b, k)
        r_end = np.asarray(form.bc(y[0], y[-1]))
        step = newton_step(form, mesh, y, jac, a, b, r_stage, r_node, r_end)
        size = max(np.abs(step[0]).max() / (1 + np.abs(y).max()), np.abs(h[:, None, None] * step[1]).max())
        y, k = y + step[0], k + step[1]
        if size < 1e-13 or (size < 1e-9 and size > 0.3 * last):
            break
        last = size
    else:
        raise RuntimeError(f"Newton did not converge, last step {size:.1e}")
    return lambda x: evaluate(x, mesh, y, k, c)


def tableau(s: int) -> tuple[Array, Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(s)
    c, b = (nodes + 1) / 2, weights / 2
    a = np.empty((s, s))
    for i in range(s):  # integrate each Lagrange basis polynomial from 0 to c_i exactly by Gauss itself
        inner = c[i] * c
        a[i] = c[i] * b @ BarycentricInterpolator(c, np.eye(s))(inner)
    return c, a, b


def jacobian(f: Callable[[Array], Array], y: Array) -> Array:
    """df_i/dy_j by complex steps, shape (m, m, n)."""
    columns = []
    for j in range(y.shape[0]):
        shifted = y.astype(complex)
        shifted[j] += 1e-40j
        columns.append(f(shifted).imag / 1e-40)
    return np.stack(columns, axis=1)


def newton_step(
    form: FirstOrder,
    mesh: Array,
    y: Array,
    jac: Array,
    a: Array,
    b: Array,
    r_stage: Array,
    r_node: Array,
    r_end: Array,
) -> tuple[Array, Array]:
    h = np.diff(mesh)
    count, s, m = r_stage.shape
    # Stages: dk_i - J_i (dy_e + h sum_j a_ij dk_j) = -r; solved for dk in terms of dy_e on each interval.
    block = np.einsum("eipq,ij->eipjq", jac, a) * -h[:, None, None, None, None]
    block = block.reshape(count, s * m, s * m) + np.eye(s * m)
    rhs = np.concatenate([jac.reshape(count, s * m, m), -r_stage.reshape(count, s * m, 1)], axis=2)
    local = np.linalg.solve(block, rhs)
    by_node, fixed = local[:, :, :m].reshape(count, s, m, m), local[:, :, m].reshape(count, s, m)
    # Nodes: dy_(e+1) - (I + h sum b_i by_node_i) dy_e = -r_node + h sum b_i fixed_i
    transfer = np.eye(m) + h[:, None, None] * np.einsum("i,eipq->epq", b, by_node)
    right = -r_node + h[:, None] * np.einsum("i,eip->ep", b, fixed)
    wa = jacobian(lambda z: np.asarray(form.bc(z[:, 0], y[-1]))[:, None], y[0][:, None])[:, :, 0]
    wb = jacobian(lambda z: np.asarray(form.bc(y[0], z[:, 0]))[:, None], y[-1][:, None])[:, :, 0]
    size = (count + 1) * m
    e, p, q = np.meshgrid(np.arange(count), np.arange(m), np.arange(m), indexing="ij")
    rows = [(e * m + p).ravel(), np.arange(count * m)]
    cols = [(e * m + q).ravel(), np.arange(count * m) + m]
    vals = [-transfer.ravel(), np.ones(count * m)]
    for w, at in ((wa, 0), (wb, count)):
        i, j = np.meshgrid(np.arange(m), np.arange(m), indexing="ij")
        rows.append((count * m + i).ravel())
        cols.append((at * m + j).ravel())
        vals.append(w.ravel())
    matrix = csc_matrix(
        (np.concatenate(vals), (np.concatenate(rows), np.concatenate(cols))), shape=(size, size)
    )
    dy = splu(matrix).solve(np.concatenate([right.ravel(), -r_end])).reshape(count + 1, m)
    return dy, fixed + np.einsum("eipq,eq->eip", by_node, dy[:-1])


def evaluate(x: Array, mesh: Array, y: Array, k: Array, c: Array) -> Array:
    """y inside an interval: the node value plus the integral of the interpolant of y'."""
    inside = np.clip(np.searchsorted(mesh, x, side="right") - 1, 0, mesh.size - 2)
    nodes, weights = np.polynomial.legendre.leggauss(c.size)
    out = np.empty((y.shape[1], x.size))
    for i, e in enumerate(inside):
        h = mesh[e + 1] - mesh[e]
        t = (x[i] - mesh[e]) / h
        basis = BarycentricInterpolator(c, np.eye(c.size))(t * (nodes + 1) / 2)
        out[:, i] = y[e] + h * t * (weights / 2) @ basis @ k[e]
    return out


def airy(p: Problem, eps: float) -> dict[str, Any]:
    """eps u'' = x u with u given at both ends."""
    x = sample(p.domain)
    with mpmath.workdps(60):
        scale = mpmath.mpf(eps) ** (mpmath.mpf(-1) / 3)
        (ai0, bi0), (ai1, bi1) = (
            (mpmath.airyai(z), mpmath.airybi(z)) for z in (mpmath.mpf(float(s)) * scale for s in p.domain)
        )
        determinant = ai0 * bi1 - ai1 * bi0  # by Cramer's rule: the columns differ by hundreds of decades
        a, b = (p.lbc * bi1 - p.rbc * bi0) / determinant, (ai0 * p.rbc - ai1 * p.lbc) / determinant
        values = [
            float(
                a * mpmath.airyai(mpmath.mpf(float(s)) * scale)
                + b * mpmath.airybi(mpmath.mpf(float(s)) * scale)
            )
            for s in x
        ]
    return entry(x, np.array([values]), np.array([values]), "Airy functions by mpmath, 60 digits")


def initial_value(p: Problem) -> dict[str, Any]:
    form = p.first_order
    assert form is not None
    zero = np.zeros(form.guess(np.zeros(1)).shape[0])
    start = -np.asarray(form.bc(zero, zero))  # the conditions are y(a) - start
    x = sample(p.domain)
    fine, coarse = (runge_kutta(form.fun, x, start, rtol) for rtol in (1e-13, 1e-12))
    rows = list(form.rows)
    return entry(x, fine[rows], coarse[rows], "DOP853 at rtol 1e-13")


def lane_emden(n: float, p: Problem) -> dict[str, Any]:
    """Power series to x = 0.05, then Runge-Kutta; u = 1 - x^2/6 + n x^4/120 - n (8n - 5) x^6/15120 + ..."""
    first = 0.05
    series = np.polynomial.Polynomial(
        [1, 0, -1 / 6, 0, n / 120, 0, -n * (8 * n - 5) / 15120, 0, n * (122 * n**2 - 183 * n + 70) / 3265920]
    )

    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], -2 * y[1] / x - y[0] ** n])

    x = sample(p.domain)
    late = x[x > first]
    start = np.array([series(first), series.deriv()(first)])
    answers = []
    for rtol in (1e-13, 1e-12):
        tail = runge_kutta(fun, np.concatenate([[first], late]), start, rtol)[0, 1:]
        answers.append(np.concatenate([series(x[x <= first]), tail])[None])
    return entry(x, answers[0], answers[1], "series at the centre, then DOP853 at rtol 1e-13")


def thomas_fermi(p: Problem) -> dict[str, Any]:
    """With x = t^2 and p = du/dx: du/dt = 2 t p, dp/dt = 2 u^(3/2), which is smooth."""
    end = np.sqrt(p.domain[1])

    def fun(t: Array, y: Array) -> Array:
        return np.vstack([2 * t * y[1], 2 * (y[0] * y[0]) ** 0.75])

    form = FirstOrder(
        fun, lambda ya, yb: np.array([ya[0] - 1, yb[0]]), lambda t: np.vstack([(1 - t / end) ** 2, t - end])
    )
    found = gauss(p, form, (0.0, float(end)))
    found["x"] = [t * t for t in found["x"]]
    found["x"][-1] = p.domain[1]
    found["how"] += " in sqrt(x)"
    return found


def van_der_pol_period(p: Problem) -> dict[str, Any]:
    """The period as a third state with T' = 0."""

    def fun(x: Array, y: Array) -> Array:
        u, v, t = y
        return np.vstack([t * v, t * ((1 - u * u) * v - u), 0 * u])

    form = FirstOrder(
        fun,
        lambda ya, yb: np.array([ya[0] - yb[0], ya[1] - yb[1], ya[1]]),
        lambda x: np.vstack([2 * np.cos(2 * np.pi * x), -2 * np.sin(2 * np.pi * x), 6.6 + 0 * x]),
        rows=(0, 2),
    )
    found = gauss(p, form, p.domain)
    values = found.pop("u")
    found["u"], found["params"] = values[0], {"T": values[1][0]}
    return found


def order0_system(p: Problem) -> dict[str, Any]:
    x = sample(p.domain)
    with mpmath.workdps(30):
        pairs = [
            mpmath.findroot(
                lambda u, v, s=float(s): [
                    u + mpmath.sin(v) - s,
                    v - mpmath.cos(u) / 2 - mpmath.mpf(s) ** 2 / 4,
                ],
                (0.0, 0.5),
            )
            for s in x
        ]
    values = np.array([[float(z[0]), float(z[1])] for z in pairs]).T
    return entry(x, values, values, "roots at each point by mpmath, 30 digits")


def runge_kutta(fun: Callable[..., Array], x: Array, start: Array, rtol: float) -> Array:
    found = solve_ivp(
        lambda s, y: fun(np.array([s]), y[:, None])[:, 0],
        (x[0], x[-1]),
        start,
        method="DOP853",
        t_eval=x,
        rtol=rtol,
        atol=1e-15,
        dense_output=False,
        max_step=0.02,
    )
    if not found.success:
        raise RuntimeError(found.message)
    return found.y


def sample(domain: tuple[float, float]) -> Array:
    """Chebyshev points of the second kind with the middle ones filled in: ends and centre are dense."""
    a, b = domain
    t = (1 - np.cos(np.pi * np.arange(POINTS) / (POINTS - 1))) / 2
    t = np.union1d(t, np.linspace(0, 1, 21))
    t = np.union1d(t, [1e-6, 1e-4, 1e-3, 1 - 1e-3, 1 - 1e-4, 1 - 1e-6, 0.499, 0.501])
    return a + (b - a) * t


def entry(x: Array, values: Array, check: Array, how: str) -> dict[str, Any]:
    error = float(np.abs(values - check).max() / (1 + np.abs(values).max()))
    if error > 3e-11:
        raise RuntimeError(f"not accurate enough: {error:.1e} ({how})")
    u = values[0] if values.shape[0] == 1 else values
    return {"how": how, "error": error, "x": x.tolist(), "u": u.tolist()}


if __name__ == "__main__":
    main(sys.argv[1:])
