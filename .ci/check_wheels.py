"""Look into the built wheels: each ships py.typed and its licence, and every weights folder is complete."""

import sys
import zipfile
from pathlib import Path, PurePosixPath

#: Wheels that must be there; a weights folder holds these files.
DISTRIBUTIONS = ("spectral_nn", "spectral_nn_algebraformer", "spectral_nn_chebpy", "spectral_nn_cvxpy")
WEIGHTS = ("model.safetensors", "config.json", "README.md")
MAX_WHEEL_MB = 41.0


def main(folder: str) -> int:
    wheels = {path.name.split("-")[0]: path for path in Path(folder).glob("*.whl")}
    problems = [f"{name}: no wheel was built" for name in DISTRIBUTIONS if name not in wheels]
    for name, path in sorted(wheels.items()):
        found = set(zipfile.ZipFile(path).namelist())
        megabytes = path.stat().st_size / 1e6
        print(f"{path.name}: {len(found)} files, {megabytes:.2f} MB")
        problems += [f"{path.name}: {problem}" for problem in problems_of(name, found)]
        if megabytes > MAX_WHEEL_MB:
            problems.append(f"{path.name}: {megabytes:.1f} MB, expected at most {MAX_WHEEL_MB}")
    print("\n".join(problems))
    return 1 if problems else 0


def problems_of(name: str, found: set[str]) -> list[str]:
    problems = []
    if f"{name}/py.typed" not in found:
        problems.append("py.typed is missing")
    top = {PurePosixPath(f).parts[0] for f in found}
    strange = sorted(t for t in top if t != name and not t.endswith(".dist-info"))
    if strange:
        problems.append(f"unexpected top-level entries {', '.join(strange)}")
    # Every kind of file of the source tree that is not Python must have come along.
    source = Path("spectral_nn") if name == "spectral_nn" else next(Path("plugins").glob(f"*/src/{name}"))
    for path in source.rglob("*"):
        relative = f"{name}/{path.relative_to(source).as_posix()}"
        if path.is_file() and "__pycache__" not in path.parts and relative not in found:
            problems.append(f"{relative} is in the source tree and not in the wheel")
    for folder in {str(PurePosixPath(f).parent) for f in found if f.endswith(".safetensors")}:
        problems += [f"{folder}/{w} is missing" for w in WEIGHTS if f"{folder}/{w}" not in found]
    return problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
