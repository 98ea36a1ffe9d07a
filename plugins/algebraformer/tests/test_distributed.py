"""The documented torchrun command: two processes on a CPU, one of which is killed; the same command goes on."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from spectral_nn_algebraformer.checkpoint import read
from spectral_nn_algebraformer.recipe import load_recipe
from spectral_nn_algebraformer.train import train

PAGE = Path(__file__).parents[3] / "docs" / "learned.md"
#: One recipe, small; plain mean square, so that the shares of two processes add up to the loss of one.
SETTINGS = {
    "data.objective": "solution", "data.family": "slow:diffusion_in_no_hurry", "data.n": [16], "data.rhs": 1,
    "model": {"kind": "algebraformer", "n": 16, "width": 16, "depth": 1, "heads": 2},
    "train.steps": 12, "train.batch": 4, "train.warmup": 2, "train.optimizer": "adamw", "train.clip": 1e9,
    "train.checkpoint_every": 2, "train.log_every": 1, "train.validate_every": 6, "train.validation": 4,
    "train.precision": "float32",
}  # fmt: skip
#: A family of the user's own in the current folder, slow enough for its run to be caught.
FAMILY = """
import os, time
from spectral_nn_algebraformer.data import diffusion

def diffusion_in_no_hurry(draw, x):
    time.sleep(0.1 if os.environ.get("SLOW") else 0.0)
    return diffusion(draw, x)
"""


def documented_command() -> list[str]:
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith("    torchrun"))
    return shlex.split(line)


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[k] - b[k]).abs().max()) for k in b)


def workers_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the workers in /proc")
def test_documented_command_survives_the_death_of_a_process(tmp_path, monkeypatch):
    command = documented_command()
    out = tmp_path / command[command.index("--out") + 1]
    program = Path(sys.executable).parent / "torchrun"
    launcher = [str(program)] if program.exists() else [sys.executable, "-m", "torch.distributed.run"]
    # a port of its own, so that runs side by side do not meet
    whole = [*launcher, "--standalone", *command[1:]]
    for key, value in SETTINGS.items():
        whole += ["--set", f"{key}={value}"]
    (tmp_path / "slow.py").write_text(FAMILY)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    process = subprocess.Popen(
        whole,
        cwd=tmp_path,
        env={**environment, "SLOW": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.time() + 240
    while not (out / "checkpoint.safetensors").exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.01)
    for worker in workers_of(process.pid)[-1:]:
        os.kill(worker, signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0, output
    assert 2 <= read(out / "checkpoint.safetensors")[1]["step"] < 12

    done = subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("recipe.json") == 1  # one process speaks for all
    tensors, meta = read(out / "checkpoint.safetensors")
    steps = [line.split(",")[0] for line in (out / "log.csv").read_text().splitlines()[1:]]
    assert meta["step"] == 12 and steps == [str(s) for s in range(1, 13)]

    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = load_recipe(command[command.index("train") + 1], SETTINGS)
    assert meta["recipe"] == {**recipe.to_dict(), "data": meta["recipe"]["data"]}
    two = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
    one = train(recipe, tmp_path / "one").state_dict()
    half = train(load_recipe("diffusion-64", {**SETTINGS, "train.batch": 2}), tmp_path / "half").state_dict()
    assert largest_difference(two, one) < 0.02 * largest_difference(
        half, one
    )  # rounding, which AdamW enlarges


def test_options_of_the_command_line_do_not_collide_with_those_of_torchrun():
    """torchrun reads the arguments behind -m too, and takes any beginning of its own options for them."""
    from torch.distributed.run import get_args_parser

    own = {name for action in get_args_parser()._actions for name in action.option_strings}
    page = PAGE.read_text()
    used = set(
        re.findall(
            r"(?<!\S)--[a-z][a-z-]*", " ".join(documented_command()[documented_command().index("train") :])
        )
    )
    assert used and "--out" in page
    for option in used | {"--out", "--set", "--device", "--resume", "--weights"}:
        assert not [name for name in own if name.startswith(option)], option
