"""The solvers in the slot: as good as promised on their family, harmless everywhere else."""

import json
import shutil
import subprocess
import sys
import warnings

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
@pytest.mark.parametrize("n", [32, 64])
def test_network_as_preconditioner_saves_iterations(n):
    """On every system of a stream, to a relative residual of 1e-10, against rows scaled to one size."""
    A, b, _ = systems(n=n, count=12)
    size = np.abs(A).max(axis=2, keepdims=True)
    A, b = A / size, b / size[:, :, 0]
    learned = FGMRES(rtol=1e-10, max_iterations=n, preconditioner=Algebraformer(loops=1))
    plain = FGMRES(rtol=1e-10, max_iterations=n)
    steps = {}
    for name, solver in (("with", learned), ("without", plain)):
        answers = [solver.solve(solver.factor(a), c) for a, c in zip(A, b, strict=True)]
        steps[name] = np.array([answer.iterations for answer in answers])
    assert (steps["with"] < steps["without"]).all()
    assert 3 * np.median(steps["with"]) <= np.median(steps["without"])


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


@needs("elliptic")
def test_both_kinds_of_rows_in_one_batch():
    """Rows at the inner points of the grid (classical collocation), which no network was trained on, and a stranger."""
    draw = data.draw(99, "test", 0, 16)
    parts = [data.systems("diffusion", 64, draw, rows=rows) for rows in ("interior", "rectangular")]
    A, b = (np.concatenate(part) for part in zip(*parts, strict=True))
    A[0] = np.random.default_rng(1).normal(size=(64, 64))
    answer = solve_linear(A, b[:, :, 0], solver="algebraformer", rtol=1e-10)
    assert answer.success and list(np.flatnonzero(answer.items.fell_back)) == [0]


@needs("elliptic")
@pytest.mark.parametrize("exponent", [-990, -500, 500, 990])
def test_units_of_the_system_do_not_matter(exponent):
    A, b, _ = systems(count=4)
    solver = Algebraformer(loops=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = solver.solve(solver.factor(A), b).x
        scaled = solver.solve(solver.factor(np.ldexp(A, exponent)), np.ldexp(b, exponent)).x
        answer = solve_linear(np.ldexp(A, exponent), b, solver="algebraformer", rtol=1e-10)
    assert np.array_equal(plain, scaled)
    assert answer.success and not answer.items.fell_back.any()


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


@needs("elliptic")
@needs("noise-diffusion-64")
def test_warm_up_leaves_nothing_for_the_first_call():
    """In a fresh process: no weights are read, no tables made and nothing is imported by the solves that follow."""
    code = """
import sys
import numpy as np
from spectral_nn import solve_linear
from spectral_nn_algebraformer import Algebraformer, data, denoise, pretrained, reference
solver = Algebraformer()
assert 0 < solver.warm_up(n=(32, 64), noise=True) < 600
def made():
    inverses = sum(len(reference.reference(32, rows).inverses) for rows in reference.ROWS)
    caches = pretrained._load, reference.reference, denoise.tables
    return inverses, *(cache.cache_info().misses for cache in caches), {name.split('.')[0] for name in sys.modules}
before = made()
A, b = data.systems('elliptic', 32, data.draw(1, 'test', 0, 4))
assert solve_linear(A, b[:, :, 0], solver=solver).success
A, b = data.systems('diffusion', 64, data.draw(1, 'test', 0, 4))
A, b = denoise.add_noise(A, b[:, :, 0], np.full(4, 1e-3), 1, 'test', 0)
assert solve_linear(A, b, solver=solver, noise=1e-3).success
assert made() == before, (before, made())
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_device_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    A, b, _ = systems(count=1)
    for solver, word in (
        (Algebraformer(device="cuda"), "device: 'cuda'"),
        (Algebraformer(device="mps"), "not there"),
    ):
        with pytest.raises(ValueError, match=word):
            solver.factor(A[0])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"precision": "float8"}, "precision: .*'float8'"),
        ({"loops": -1}, "loops: .* at least 1.*-1"),
        ({"loops": 0}, "loops: "),
        ({"loops": 2.5}, "loops: "),
        ({"loops": True}, "loops: "),
        ({"device": "tpu"}, "device: .*'tpu'"),
        ({"device": "cuda:x"}, "device: "),
        ({"device": None}, "device: "),
    ],
)
def test_options_that_cannot_be_are_named(options, word):
    with pytest.raises(ValueError, match=word):
        Algebraformer(**options)
    if "precision" not in options:
        with pytest.raises(ValueError, match=word):
            LinearTransformer(**options)


def test_weights_of_another_kind_are_named():
    """In every slot, and what falls back says why."""
    A, b, _ = systems("diffusion", count=1)
    gru = "paper-gru" if "paper-gru" in HAS else "linear-transformer"
    for solver, noise in (
        (Algebraformer(weights=gru), None),
        (Algebraformer(noise_weights="diffusion-64"), 1e-3),
    ):
        with pytest.raises(WeightsError, match=r"hold a network of kind '\w+'; this solver needs one of"):
            solver.solve(solver.factor(A[0]) if noise is None else solver.factor(A[0], noise=noise), b[0])
    with pytest.raises(WeightsError, match="kind 'green'"):
        LinearTransformer(weights="diffusion-64").factor(np.eye(4))
    answer = solve_linear(A[0], b[0], solver=Algebraformer(weights=gru))
    assert answer.success and answer.fell_back


def test_weights_that_change_on_disk_are_read_again(tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(SHIPPED / "diffusion-64", folder)
    first = load_network(folder)
    assert load_network(folder) is first
    shutil.copytree(SHIPPED / "elliptic", folder, dirs_exist_ok=True)
    second, elliptic = load_network(folder).state_dict(), load_network("elliptic").state_dict()
    assert all(torch.equal(value, elliptic[name]) for name, value in second.items())
    assert any(not torch.equal(value, second[name]) for name, value in first.state_dict().items())


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
