"""The solvers in the slot: as good as promised on their family, harmless everywhere else."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from spectral_nn_algebraformer import Algebraformer, AlgebraformerDiffusion, LinearTransformer, data
from spectral_nn_algebraformer.pretrained import SHIPPED, WeightsError, load_network, shipped_weights

from spectral_nn import linear_solvers, minimize_lp, solve_bvp, solve_linear
from spectral_nn.linear import LinearStatus, factor
from spectral_nn.linear.krylov import FGMRES

HAS = set(shipped_weights())


def needs(name):
    return pytest.mark.skipif(name not in HAS, reason=f"weights {name!r} are not shipped yet")


def systems(family="elliptic", n=64, count=32, seed=99):
    A, b = data.systems(family, n, data.draw(seed, "test", 0, count))
    return A, b[:, :, 0], np.linalg.solve(A, b)[:, :, 0]


def relative(x, truth):
    return np.linalg.norm(x - truth, axis=1) / np.linalg.norm(truth, axis=1)


def test_importing_the_solvers_imports_no_torch():
    code = (
        "import sys, spectral_nn\n"
        "entry = spectral_nn.linear_solvers()['algebraformer']\n"
        "assert entry.state == 'ready' and entry.traits.batched\n"
        "import spectral_nn_algebraformer\n"
        "assert not {'torch', 'safetensors', 'typer', 'rich'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_entry_points_are_found():
    table = linear_solvers()
    for name in ("algebraformer", "algebraformer_diffusion", "linear_transformer"):
        assert table[name].distribution == "spectral-nn-algebraformer"
        assert table[name].load().name == name


@needs("diffusion-64")
def test_diffusion_meets_the_bars_of_the_comparison():
    """Mean square error <= 2.4e-5 (a tenth of the paper's) and median relative error <= 0.5 %, network and loops alone."""
    A, b, x = systems("diffusion", count=256)
    solver = AlgebraformerDiffusion(loops=4)
    answer = solver.solve(solver.factor(A), b).x
    assert ((answer - x) ** 2).mean() / x.var() <= 2.4e-5
    assert np.median(relative(answer, x)) <= 5e-3


@needs("diffusion-64")
def test_errors_fall_with_every_loop_beyond_those_trained():
    A, b, x = systems("diffusion", count=64)
    medians = []
    for loops in (1, 2, 4, 8):
        solver = AlgebraformerDiffusion(loops=loops)
        medians.append(np.median(relative(solver.solve(solver.factor(A), b).x, x)))
    assert all(later < earlier / 4 for earlier, later in zip(medians, medians[1:], strict=False))


@needs("elliptic")
@pytest.mark.parametrize("n", [32, 64, 100, 128])
def test_elliptic_systems_of_every_size_are_solved_without_falling_back(n):
    A, b, x = systems(n=n)
    answer = solve_linear(A, b, solver="algebraformer", rtol=1e-10)
    assert answer.success and np.mean(answer.items.fell_back) <= 0.05
    assert np.median(relative(answer.x, x)) < 1e-8


@needs("elliptic")
@pytest.mark.parametrize("family", sorted(data.FAMILIES))
def test_default_solver_serves_the_simpler_families(family):
    A, b, _ = systems(family)
    answer = solve_linear(A, b, solver="algebraformer", rtol=1e-10)
    assert answer.success and np.mean(answer.items.fell_back) <= 0.05


@needs("elliptic")
def test_raw_answer_is_marked_and_single_batched_and_many_agree():
    A, b, _ = systems(count=3)
    raw = solve_linear(A[0], b[0], solver="algebraformer", refine=False, fallback=False)
    assert raw.status is LinearStatus.UNCERTIFIED and "raw" in raw.message
    solver = Algebraformer(loops=3)
    batch = solver.solve(solver.factor(A), b).x
    single = solver.solve(solver.factor(A[1]), b[1]).x
    many = solver.solve(solver.factor(A[1]), np.stack([b[1], 2 * b[1]], axis=1)).x
    assert np.allclose(batch[1], single, rtol=1e-5)
    assert np.allclose(many[:, 1], 2 * many[:, 0], rtol=1e-9) and np.allclose(many[:, 0], single, rtol=1e-9)


@needs("elliptic")
def test_strangers_in_a_batch_fall_back_alone(rng):
    A, b, x = systems(count=4)
    A[1] = rng.normal(size=(64, 64))
    A[2, 5, 5] = np.nan
    answer = solve_linear(A, b, solver="algebraformer", rtol=1e-10)
    assert list(answer.items.fell_back) == [False, True, False, False]
    assert list(answer.items.success) == [True, True, False, True]
    assert answer.items.status[2] == LinearStatus.NONFINITE_INPUT
    assert relative(answer.x[[0, 3]], x[[0, 3]]).max() < 1e-6
    assert np.allclose(A[1] @ answer.x[1], b[1])


@needs("elliptic")
def test_answer_scales_with_rows_and_right_hand_side(rng):
    A, b, _ = systems(count=1)
    solver = Algebraformer(loops=4)
    plain = solver.solve(solver.factor(A[0]), b[0]).x
    scale = np.exp(rng.normal(size=64) * 3)
    scaled = solver.solve(solver.factor(scale[:, None] * A[0]), 7e9 * scale * b[0]).x
    assert np.allclose(scaled, 7e9 * plain, rtol=1e-4, atol=1e-4 * np.abs(scaled).max())


@needs("elliptic")
def test_network_as_preconditioner_saves_iterations():
    A, b, _ = systems(count=1)
    without = (
        FGMRES(preconditioner=None, rtol=1e-10)
        if "preconditioner" in FGMRES.__dataclass_fields__
        else FGMRES()
    )
    plain = without.solve(without.factor(A[0]), b[0]).iterations
    state_of = Algebraformer(loops=1)
    state = state_of.factor(A[0])
    from spectral_nn.linear.krylov import fgmres

    _, steps, _ = fgmres(
        lambda V: V @ A[0].T,
        lambda V: np.stack([state_of.solve(state, v).x for v in V]),
        b[:1],
        np.array([1e-10]),
        60,
    )
    assert np.max(steps) < 25 and np.max(steps) < max(plain, 60)


def far_outside(rng, count):
    """Random systems inside and far outside the family: sizes, scales 1e±12, singular, NaN, not symmetric."""
    for i in range(count):
        n = int(rng.choice([1, 2, 5, 16, 24, 32, 33, 64]))
        A = rng.normal(size=(n, n)) * 10.0 ** rng.integers(-12, 13)
        kind = i % 8
        if kind == 1:
            A = A @ A.T
        elif kind == 2 and n > 1:
            A[-1] = A[0]
        elif kind == 3:
            A[rng.integers(n), rng.integers(n)] = rng.choice([np.nan, np.inf])
        elif kind == 4:
            A = A * 10.0 ** rng.integers(-8, 9, size=(n, 1))
        elif kind >= 5 and n >= 24:
            A = data.systems("elliptic", n, data.draw(7, "test", i, 1))[0][0] * 10.0 ** rng.integers(-12, 13)
            if kind == 6:
                A = A * (1 + 0.3 * rng.normal(size=A.shape))
            elif kind == 7:
                A[:, 1:] = A[:, :-1]
        yield A, rng.normal(size=n) * 10.0 ** rng.integers(-12, 13)


def backward_error(A, x, b):
    return np.abs(b - A @ x).max() / (np.abs(A).sum(axis=1).max() * np.abs(x).max() + np.abs(b).max())


@pytest.mark.parametrize("name", ["algebraformer", "linear_transformer"])
def test_whatever_claims_success_meets_the_tolerance(name, rng):
    check_safety(name, rng, 400)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["algebraformer", "linear_transformer"])
def test_ten_thousand_random_systems(name, rng):
    check_safety(name, rng, 10_000)


def check_safety(name, rng, count):
    claimed = fell_back = 0
    for A, b in far_outside(rng, count):
        answer = solve_linear(A, b, solver=name, rtol=1e-10)
        if answer.success:
            claimed += 1
            fell_back += answer.fell_back
            assert backward_error(A, answer.x, b) <= 1e-10
        else:
            assert answer.status != LinearStatus.CONVERGED and len(answer.message) > 20
    assert claimed > count / 2 and 0 < fell_back <= claimed


@needs("elliptic")
def test_both_slots_agree_with_direct_solvers(rng):
    def op(x, u):
        return -u.diff(2) + 3 * u.diff() + (1 + x**2) * u - np.cos(3 * x)

    learned = solve_bvp(op, (0, 2), lbc=1, rbc=0, linear_solver="algebraformer")
    direct = solve_bvp(op, (0, 2), lbc=1, rbc=0, linear_solver="lu")
    x = np.linspace(0, 2, 9)
    assert learned.success and np.allclose(learned(x), direct(x), atol=1e-9)
    A, b = rng.normal(size=(30, 8)), rng.normal(size=30)
    assert np.allclose(
        minimize_lp(A, b, 4, linear_solver="linear_transformer").x, minimize_lp(A, b, 4).x, atol=1e-6
    )


@needs("noise-diffusion-64")
@pytest.mark.parametrize(("sigma", "bar"), [(1e-3, 0.0575), (1e-2, 0.465)])
def test_noisy_systems_and_their_error_bars(sigma, bar):
    """Half the error of the best classical answer (11.5 % and 93 %), and a 90 % band that covers about 90 %."""
    from spectral_nn_algebraformer.denoise import add_noise

    A, b, x = systems("diffusion", count=256)
    noisy_A, noisy_b = add_noise(A, b, np.full(256, sigma), 99, "test", 0)
    answer = solve_linear(noisy_A, noisy_b, solver="algebraformer", noise=sigma)
    assert np.median(relative(answer.x, x)) <= bar
    covered = (np.abs(answer.x - x) <= answer.x_error)[:, 1:-1].mean()
    assert 0.85 <= covered <= 0.95
    one = solve_linear(noisy_A[0], noisy_b[0], solver="algebraformer", noise=sigma)
    assert np.allclose(one.x, answer.x[0], rtol=1e-4, atol=1e-6) and one.x_error.shape == (64,)


@needs("noise-diffusion-64")
@needs("elliptic")
def test_classical_collocation_is_served_too():
    """Rows at the inner points of the grid, which no network was trained on."""
    from spectral_nn_algebraformer.denoise import add_noise

    draw = data.draw(99, "test", 0, 64)
    A, b = data.systems("diffusion", 64, draw, rows="interior")
    b, x = b[:, :, 0], np.linalg.solve(A, b)[:, :, 0]
    answer = solve_linear(A, b, solver="algebraformer", rtol=1e-10)
    assert answer.success and not answer.items.fell_back.any()
    noisy_A, noisy_b = add_noise(A, b, np.full(64, 1e-2), 99, "test", 0)
    answer = solve_linear(noisy_A, noisy_b, solver="algebraformer", noise=1e-2)
    assert np.median(relative(answer.x, x)) < 0.02
    assert 0.8 <= (np.abs(answer.x - x) <= answer.x_error)[:, 1:-1].mean() <= 0.97


@needs("noise-diffusion-64")
def test_denoiser_refuses_what_it_was_not_trained_for():
    A, b, _ = systems("diffusion", count=1)
    wrong, _, _ = systems("advection_diffusion", count=1)
    solver = Algebraformer()
    for matrix, noise, word in (
        (A[0], 0.5, "between"),
        (wrong[0], 1e-3, "form"),
        (A[0, :32, :32], 1e-3, "n = 64"),
    ):
        with pytest.raises(ValueError, match=word):
            solver.factor(matrix, noise=noise)


@needs("linear-transformer")
@pytest.mark.parametrize("n", [4, 12, 20])
def test_linear_transformer_solves_its_family_without_falling_back(n):
    from spectral_nn_algebraformer import spd

    A, b, x = spd.systems(5, "test", 0, 64, n, (2.0, 100.0))
    answer = solve_linear(A, b, solver="linear_transformer", rtol=1e-10)
    assert answer.success and answer.items.fell_back.mean() <= 0.1
    assert np.median(relative(answer.x, x)) < 1e-8


def test_linear_transformer_refuses_what_is_not_spd(rng):
    solver = LinearTransformer()
    with pytest.raises(ValueError, match="not symmetric"):
        solver.factor(rng.normal(size=(4, 4)) + 10 * np.eye(4))
    with pytest.raises(ValueError, match="positive"):
        solver.factor(-np.eye(4))


def test_missing_and_tampered_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match="no model.safetensors"):
        load_network(str(tmp_path / "nothing"))
    source = SHIPPED / sorted(HAS)[0]
    target = tmp_path / "copy"
    shutil.copytree(source, target)
    raw = bytearray((target / "model.safetensors").read_bytes())
    raw[-3] ^= 0x40
    (target / "model.safetensors").write_bytes(bytes(raw))
    with pytest.raises(WeightsError, match="checksum"):
        load_network(str(target))
    (target / "model.safetensors").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(WeightsError, match="not a readable safetensors"):
        load_network(str(target))
    answer = solve_linear(*[v[0] for v in systems(count=1)[:2]], solver=Algebraformer(weights=str(target)))
    assert answer.success and answer.fell_back and "safetensors" in answer.message


def test_weights_round_trip_to_the_bit(tmp_path):
    from spectral_nn_algebraformer.pretrained import export
    from spectral_nn_algebraformer.recipe import load_recipe
    from spectral_nn_algebraformer.train import train

    recipe = load_recipe(
        {
            "name": "tiny",
            "data": {"n": [16], "rhs": 1},
            "model": {"kind": "green", "width": 16, "depth": 1, "heads": 2},
            "train": {"steps": 2, "batch": 2, "validation": 2},
        }
    )
    network = train(recipe, tmp_path / "run")
    folder = export(tmp_path / "run", tmp_path / "weights", {"note": 1.0})
    loaded = load_network(str(folder)).state_dict()
    assert all(torch.equal(v, loaded[k]) for k, v in network.state_dict().items())
    settings = json.loads((folder / "config.json").read_text())
    assert settings["steps_done"] == 2 and settings["metrics"] == {"note": 1.0}
    assert "2 of 2 steps" in (folder / "README.md").read_text()


def test_int8_storage_is_a_quarter_of_the_size_and_nearly_the_same_network(tmp_path):
    from spectral_nn_algebraformer.pretrained import export
    from spectral_nn_algebraformer.recipe import load_recipe
    from spectral_nn_algebraformer.train import train

    model = {"kind": "algebraformer", "n": 16, "width": 64, "depth": 2, "heads": 2}
    data_ = {"objective": "solution", "n": [16], "rhs": 1}
    recipe = load_recipe(
        {"name": "tiny", "data": data_, "model": model, "train": {"steps": 2, "batch": 2, "validation": 2}}
    )
    network = train(recipe, tmp_path / "run")
    sizes = {}
    for storage in ("float32", "int8"):
        folder = export(tmp_path / "run", tmp_path / storage, {}, storage=storage)
        sizes[storage] = (folder / "model.safetensors").stat().st_size
    assert sizes["int8"] < 0.35 * sizes["float32"]
    loaded = load_network(str(tmp_path / "int8"))
    tokens = torch.randn(2, 16, 17)
    with torch.no_grad():
        plain, rounded = network(tokens), loaded(tokens)
    assert 0 < (plain - rounded).abs().max() < 0.05 * plain.abs().max()


@pytest.mark.parametrize("name", sorted(HAS))
def test_shipped_weights_carry_their_card(name):
    settings = json.loads((SHIPPED / name / "config.json").read_text())
    card = (SHIPPED / name / "README.md").read_text()
    assert settings["training_seconds"] > 0 and settings["metrics"]
    for word in ("## Measured", "## Limits", "seed", "minutes", f"{settings['parameters']:,}"):
        assert word in card
    load_network(name)


def test_shipped_weights_fit_the_wheel():
    assert sum(p.stat().st_size for p in SHIPPED.rglob("*.safetensors")) < 40e6


@needs("diffusion-64")
def test_warm_up_takes_the_first_call_s_cost():
    solver = AlgebraformerDiffusion()
    assert solver.warm_up() > 0
    assert solver.warm_up() < 2.0


def test_device_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    A, b, _ = systems(count=1)
    with pytest.raises(ValueError, match="device: 'cuda'"):
        Algebraformer(device="cuda", weights=sorted(HAS)[0]).factor(A[0])
    with pytest.raises(ValueError, match="not there"):
        Algebraformer(device="tpu", weights=sorted(HAS)[0]).factor(A[0])


def test_factored_once_for_many_right_hand_sides():
    A, b, x = systems("diffusion", count=2)
    fac = factor("algebraformer", A[0])
    for k in (1.0, 3.0):
        assert np.allclose(fac.solve(k * b[0]).x, k * x[0], rtol=1e-6, atol=1e-9)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@needs("diffusion-64")
def test_the_same_answers_on_a_gpu():
    A, b, x = systems("diffusion", count=64)
    answer = solve_linear(A, b, solver=AlgebraformerDiffusion(device="cuda"))
    assert answer.success and np.median(relative(answer.x, x)) < 1e-8


def test_missing_torch_is_one_sentence():
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from spectral_nn import solve_linear\n"
        "try:\n"
        "    solve_linear(np.eye(3), np.ones(3), solver='algebraformer')\n"
        "except ImportError as error:\n"
        "    assert 'needs torch' in str(error) and 'pip install' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "solver", [Algebraformer(), AlgebraformerDiffusion(), LinearTransformer()], ids=lambda s: s.name
)
def test_the_contract_of_the_slot_is_kept(solver):
    from spectral_nn.testing import check_linear_solver

    def matrix(n, dtype, rng):
        return data.systems("diffusion", n, data.draw(int(rng.integers(1000)), "test", 0, 1))[0][0]

    spd_only = solver.traits.needs_spd
    check_linear_solver(solver, n=None if spd_only else 64, matrix=None if spd_only else matrix)
