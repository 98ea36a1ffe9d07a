"""The model card that goes beside exported weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def model_card(settings: Mapping[str, Any], notes: str = "") -> str:
    """Markdown: what it is, on what and for how long it was trained, what it reaches, where it ends."""
    recipe = settings["recipe"]
    data, train = recipe["data"], recipe["train"]
    stream = f"{data['samples']} systems" if data["samples"] else "fresh systems, streamed"
    seen = settings["steps_done"] * train["batch"]
    lines = [
        f"# {settings['name']}",
        "",
        recipe["description"] or "(no description)",
        "",
        "| | |",
        "| --- | --- |",
        f"| network | {settings['model']['kind']}, {settings['parameters']:,} parameters, "
        f"stored as {settings['storage']} |",
        f"| data | {_source(data)}, n = {', '.join(map(str, data['n']))}; {stream}; seed {recipe['seed']} |",
        f"| trained | {settings['steps_done']:,} of {train['steps']:,} steps of {train['batch']} matrices "
        f"({seen:,} in all), {train['optimizer']}, rate {train['learning_rate']:g} |",
        f"| cost | {settings['training_seconds'] / 60:.0f} minutes of wall time, as logged by the run |",
        f"| weights from | {recipe['weights'] or 'scratch'} |",
        "",
        "## Measured",
        "",
        "```json",
        json.dumps(settings["metrics"], indent=1),
        "```",
        "",
        *_band(settings),
        "## Limits",
        "",
        notes
        or "Trained on the family above and measured on its test stream. Anything else is outside: the linear-solver "
        "slot of spectral_nn checks every answer by its residual and falls back to a direct solver.",
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps(recipe, indent=1),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _source(data: Mapping[str, Any]) -> str:
    """What kind of systems these are."""
    if data["objective"] == "start":
        return f"l_p problems with p = {', '.join(map(str, data['p']))}"
    if data["objective"] != "spd":
        return str(data["family"])
    if data.get("p"):
        return f"Newton systems of l_p problems with p = {', '.join(map(str, data['p']))}"
    return f"symmetric positive definite, condition numbers {' to '.join(map(str, data['kappa']))}"


def _band(settings: Mapping[str, Any]) -> list[str]:
    if "band" not in settings:
        return []
    return ["## Error band (90 %)", "", "```json", json.dumps(settings["band"]), "```", ""]
