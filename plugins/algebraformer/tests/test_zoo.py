"""``linear_solver="algebraformer"`` with default arguments gives what "lu" gives, and a truthful count of fall backs.

The problems are those of the core's zoo (`tests/zoo`, looked up from the root of the repository); ``-m slow`` runs all
linear ones.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from spectral_nn_algebraformer.pretrained import shipped_weights

from spectral_nn import solve_bvp

ROOT = Path(__file__).parents[3]
if not (ROOT / "tests" / "zoo").is_dir():
    pytest.skip(
        "the problem zoo is part of the repository, not of this distribution", allow_module_level=True
    )
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.problems import all_problems  # noqa: E402
from tests.zoo.checks import error_of, size_of  # noqa: E402

pytestmark = pytest.mark.skipif("elliptic" not in shipped_weights(), reason="weights are not shipped yet")

LINEAR = {p.name: p for p in all_problems() if "linear" in p.tags}
#: One of each kind: smooth; layers that the grids resolve, and that need the mesh; Robin conditions; break points given, a
#: break found, jumps of the coefficient, of u' and of u; order 8; periodic; two equations; complex; an integral; singular.
SAMPLE = (
    "T1_0.01", "T1_0.0001", "T9_0.0001", "T17_1e-06", "robin", "step_off_centre_given", "abs_airy", "sign_coefficient",
    "interface_jump", "point_load", "jump_of_value", "order8", "periodic_linear", "coupled_modes", "helmholtz_impedance_50",
    "integral_condition", "T17_0.01",
)  # fmt: skip
ALONE = ("T1_0.01", "T1_0.0001", "robin")
ON_THE_MESH = (
    "T9_0.0001",
    "T17_1e-06",
    "step_off_centre_given",
    "interface_jump",
    "point_load",
    "jump_of_value",
)


def check(name):
    """Same success, same solution to tol, right against the reference, and a report whose numbers add up."""
    problem = LINEAR[name]
    learned, direct = (solve_bvp(**problem.arguments(), linear_solver=s) for s in ("algebraformer", "lu"))
    assert learned.success == direct.success, learned.message
    stats = learned.linear_stats
    assert 0 <= stats["fell_back"] <= stats["solves"] and stats["solves"] > 0
    assert ("fell back" in learned.linear_solver) == (stats["fell_back"] > 0) == bool(stats.get("cause"))
    if not direct.success:
        assert learned.status == direct.status
        return learned
    x = problem.sample()
    size = 1 + size_of(problem, direct)
    # a residual within tol is an error within tol times what the problem amplifies
    accepted = max(problem.tol, 10 * learned.error_estimate, 10 * direct.error_estimate) * size
    assert np.abs(learned(x) - direct(x)).max() <= min(accepted, 100 * problem.tol * size)
    assert error_of(problem, learned) <= 1000 * problem.tol * size
    return learned


@pytest.mark.parametrize("name", SAMPLE)
def test_the_same_solution_as_lu(name):
    learned = check(name)
    if name in ALONE:
        assert learned.linear_stats["fell_back"] == 0 and learned.method == "collocation"
        assert learned.linear_stats["solver"] == "algebraformer"
    if name in ON_THE_MESH:
        assert learned.method == "mesh" and learned.linear_stats["fell_back"] > 0
        assert "block" in learned.linear_stats["solver"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(LINEAR) - set(SAMPLE)))
def test_the_same_solution_as_lu_on_the_whole_zoo(name):
    check(name)


def test_a_nonlinear_layer_is_solved_as_by_lu():
    problem = dict(op=lambda x, u: 1e-2 * u.diff(2) + u * u.diff() - u, domain=(-1, 1), lbc=-1, rbc=1.5)
    learned, direct = (solve_bvp(**problem, linear_solver=s) for s in ("algebraformer", "lu"))
    x = np.linspace(-1, 1, 301)
    assert learned.success and np.abs(learned(x) - direct(x)).max() < 1e-9
