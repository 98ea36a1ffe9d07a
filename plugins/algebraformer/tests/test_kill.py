"""SIGKILL at chosen moments of a run, one after the other: what is left goes on, to the same bits and the same log."""

import csv
import json
import subprocess
import sys

import pytest
import torch
from spectral_nn_algebraformer.checkpoint import read

RECIPE = {
    "name": "killed",
    "data": {"family": "diffusion", "n": [16], "rhs": 2},
    "model": {"kind": "green", "width": 16, "depth": 1, "heads": 2, "green_heads": 2, "rank": 2},
    "train": {
        "steps": 20, "batch": 4, "warmup": 2, "checkpoint_every": 2, "log_every": 1, "validate_every": 5,
        "validation": 4, "optimizer": "muon", "precision": "float32",
    },
}  # fmt: skip
MOMENTS = (
    "first row, no checkpoint yet",
    "row of step 3, past the checkpoint of step 2",
    "half of a row written",
    "half of a checkpoint written",
    "whole checkpoint written, the old one not replaced",
    "checkpoint replaced, nothing else done",
    "half of the log written on going on",
    "from outside",
)

DRIVER = r"""
import csv, json, os, signal, sys, time
from pathlib import Path
import torch
import torch._dynamo  # what every run would import, once before any fork
import spectral_nn_algebraformer.figures, spectral_nn_algebraformer.train
from spectral_nn_algebraformer import checkpoint, data
from spectral_nn_algebraformer.recipe import load_recipe
training = sys.modules["spectral_nn_algebraformer.train"]

torch.set_num_threads(1)
home, recipe, moments = Path(sys.argv[1]), load_recipe(json.loads(sys.argv[2])), json.loads(sys.argv[3])
data.systems("diffusion", 16, data.draw(1, "train", 0, 1))
replace, fsync, row, log = os.replace, os.fsync, training._log, training._write_log


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def arm(moment):
    '''Let this process kill itself at the moment; returns the callback of train.'''
    if moment.startswith("first row"):
        return lambda point: die()
    if moment.startswith("row of step 3"):
        return lambda point: die() if point.step == 3 else None
    if moment.startswith("half of a row"):
        def half(s, *rest):
            row(s, *rest)
            os.truncate(s.run / "log.csv", (s.run / "log.csv").stat().st_size - 9)
            die()
        training._log = half
    if moment.startswith("half of a checkpoint"):
        def half(fd):
            os.ftruncate(fd, os.fstat(fd).st_size // 2)
            die()
        os.fsync = half
    if moment.startswith("whole checkpoint"):
        os.replace = lambda a, b: die() if str(b).endswith(".safetensors") else replace(a, b)
    if moment.startswith("checkpoint replaced"):
        os.replace = lambda a, b: (replace(a, b), die() if str(b).endswith(".safetensors") else None)
    if moment.startswith("half of the log"):
        def half(path, rows):
            path.with_name("log.csv.tmp").write_text("step,lo")
            die()
        training._write_log = half
    if moment == "from outside":
        return lambda point: time.sleep(0.02)
    return None


def run(folder, moment=None):
    '''One process that trains in a folder; its exit status.'''
    child = os.fork()
    if not child:
        training.train(recipe, folder, callback=arm(moment or ""))
        os._exit(0)
    if moment == "from outside":
        rows = len((folder / "log.csv").read_text().splitlines())
        while len((folder / "log.csv").read_text().splitlines()) < rows + 5:
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


report = []
for moment in moments:
    signalled = run(home / "killed", moment)
    path = home / "killed" / "checkpoint.safetensors"
    report.append([moment, signalled, checkpoint.read(path)[1]["step"] if path.exists() else 0])
report.append(["end", run(home / "killed"), 0])
report.append(["whole", run(home / "whole"), 0])
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-c", DRIVER, str(home), json.dumps(RECIPE), json.dumps(MOMENTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return home, {name: rest for name, *rest in json.loads(done.stdout.splitlines()[-1])}


def rows_of(run):
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_death_was_one_and_left_a_whole_checkpoint(runs):
    _, report = runs
    assert [report[moment][0] for moment in MOMENTS] == [9] * len(MOMENTS)
    steps = [report[moment][1] for moment in MOMENTS]
    assert steps == sorted(steps) and steps[0] == 0 and steps[-1] >= 6
    assert report["end"][0] == report["whole"][0] == 0


def test_what_was_killed_ends_with_the_same_bits(runs):
    home, _ = runs
    (killed, meta), (whole, other) = (read(home / k / "checkpoint.safetensors") for k in ("killed", "whole"))
    assert meta["step"] == other["step"] == RECIPE["train"]["steps"]
    assert killed.keys() == whole.keys() and all(torch.equal(killed[k], whole[k]) for k in whole)


def test_the_log_holds_every_step_once(runs):
    home, _ = runs
    killed, whole = rows_of(home / "killed"), rows_of(home / "whole")
    assert [int(r["step"]) for r in killed] == list(range(1, RECIPE["train"]["steps"] + 1))
    for key in ("step", "loss", "rate", "grad_norm", "error", "mse"):
        assert [r[key] for r in killed] == [r[key] for r in whole]
    seconds = [float(r["data_seconds"]) for r in killed]
    assert seconds == sorted(seconds)


def test_nothing_else_is_left_behind(runs):
    home, _ = runs
    assert {p.name for p in (home / "killed").iterdir()} == {p.name for p in (home / "whole").iterdir()}
