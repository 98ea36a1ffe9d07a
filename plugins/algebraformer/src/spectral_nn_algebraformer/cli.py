"""Train, fine-tune, export and measure learned linear solvers.

Several processes: torchrun --nproc-per-node=2 -m spectral_nn_algebraformer.cli train RECIPE --out DIR
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()

RecipeArgument = Annotated[str, typer.Argument(help="shipped recipe by name, or a TOML file")]
Setting = Annotated[list[str] | None, typer.Option("--set", help="override: train.steps=100 (repeatable)")]
# torchrun takes --run for one of its own options, so that there --out is the name that works
OutOption = Annotated[
    Path | None, typer.Option("--out", "--run", help="run directory; default runs/NAME", show_default=False)
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
Resume = Annotated[bool, typer.Option(help="go on from the checkpoint in the run directory")]


@app.callback()
def main() -> None:
    """Families named "module:function" are looked for in the current folder too."""
    _search(Path.cwd())


@app.command()
def train(
    recipe: RecipeArgument,
    out: OutOption = None,
    device: Device = "cpu",
    resume: Resume = True,
    set_: Setting = None,
) -> None:
    """Train a recipe, or go on where its run directory stands."""
    _train(recipe, out, device, resume, _overrides(set_))


@app.command()
def finetune(
    recipe: RecipeArgument,
    weights: Annotated[str, typer.Option(help="shipped weights by name, or a folder, to start from")],
    out: OutOption = None,
    device: Device = "cpu",
    resume: Resume = True,
    set_: Setting = None,
) -> None:
    """Train a recipe from other weights; the network is theirs."""
    overrides = {"weights": weights, "model": _said(lambda: _settings(weights))["model"], **_overrides(set_)}
    _train(recipe, out, device, resume, overrides)


@app.command()
def evaluate(
    weights: Annotated[str, typer.Argument(help="shipped weights by name, or a folder")],
    count: Annotated[int, typer.Option(min=1, help="test systems")] = 2048,
    json_: Annotated[Path | None, typer.Option("--json", help="write the measures to this file")] = None,
) -> None:
    """Measure weights on the test stream of their recipe."""
    from .evaluate import evaluate as measure
    from .evaluate import rows_of_table

    if json_ is not None and not json_.absolute().parent.is_dir():
        raise typer.BadParameter(f"--json {json_}: there is no folder {json_.absolute().parent}")
    _said(lambda: _settings(weights))
    measures = _said(lambda: measure(weights, count))
    table = Table("where", "measure", "value", title=f"{weights}: {count} test systems")
    for row in rows_of_table(measures):
        table.add_row(*row)
    console.print(table)
    if json_ is not None:
        _said(lambda: json_.write_text(json.dumps(measures, indent=1) + "\n", encoding="utf-8"))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="run directory of train")],
    target: Annotated[Path, typer.Argument(help="folder to write")],
    count: Annotated[int, typer.Option(min=0, help="test systems for the model card; 0 for none")] = 2048,
    notes: Annotated[str, typer.Option(help="limits, for the model card")] = "",
    storage: Annotated[str, typer.Option(help="float32, or int8 for a quarter of the size")] = "float32",
) -> None:
    """Write weights, config.json and model card."""
    from . import pretrained
    from .evaluate import evaluate as measure

    _said(lambda: pretrained.export(run, target, {}, notes, storage))
    if count:
        _said(lambda: pretrained.export(run, target, measure(target, count), notes, storage))
    console.print(f"{target}: model.safetensors, config.json, README.md")


@app.command()
def recipes() -> None:
    """List the shipped recipes and weights."""
    from .pretrained import shipped_weights
    from .recipe import load_recipe, shipped_recipes

    table = Table("recipe", "what", "weights shipped")
    for name in shipped_recipes():
        table.add_row(name, load_recipe(name).description, "yes" if name in shipped_weights() else "")
    console.print(table)


def _train(recipe: str, out: Path | None, device: str, resume: bool, overrides: dict[str, Any]) -> None:
    from .recipe import load_recipe
    from .train import Progress as Point
    from .train import train as fit

    if Path(recipe).is_file():
        _search(Path(recipe).absolute().parent)
    loaded = _said(lambda: load_recipe(recipe, overrides))
    where = out or Path("runs") / loaded.name
    if int(os.environ.get("RANK", 0)):  # the first process of torchrun speaks for all
        console.quiet = True
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=console.quiet) as bar:
        task = bar.add_task(loaded.name, total=loaded.train.steps)

        def show(point: Point) -> None:
            bar.update(
                task,
                completed=point.step,
                description=f"{loaded.name}  loss {point.loss:.3f}  rate {point.rate:.1e}",
            )
            if point.error == point.error:
                bar.console.print(f"step {point.step}: median relative error {point.error:.2e} (validation)")

        _said(lambda: fit(loaded, where, device=device, resume=resume, callback=show))
    console.print(f"{where}: checkpoint.safetensors, log.csv, recipe.json")


def _settings(weights: str) -> dict[str, Any]:
    """The config.json of weights; ValueError for one that `export` did not write."""
    from .pretrained import config

    settings = config(weights)
    for key in ("model", "recipe", "sha256"):
        if not isinstance(settings, dict) or key not in settings:
            raise ValueError(f"weights: config.json of {weights!r} has no {key!r}; export the run again.")
    return settings


def _search(folder: Path) -> None:
    """Let a folder be searched first for the modules of families, as Python does with that of a script."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _said(action: Callable[[], Any]) -> Any:
    """Run it; what is wrong with the input ends the command with its sentence."""
    try:
        return action()
    except (ValueError, RuntimeError, OSError) as error:
        console.quiet = False
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def _overrides(settings: list[str] | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for setting in settings or []:
        key, sign, text = setting.partition("=")
        if not sign:
            raise typer.BadParameter(f"--set {setting}: expected key=value, as in train.steps=100")
        try:
            out[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            out[key] = text
    return out


if __name__ == "__main__":
    app()
