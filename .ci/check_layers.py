"""lint-imports, and a proof that it would notice: with a forbidden import put in, it must fail."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: (file, import that its layer forbids)
VIOLATIONS = (
    ("linear/interface.py", "import spectral_nn.bvp"),
    ("chebyshev/grid.py", "import spectral_nn.linear"),
    ("lp/problem.py", "import spectral_nn.bvp"),
    ("bvp/problem.py", "import torch"),
)


def main() -> int:
    done = lint(Path.cwd())
    print(done.stdout)
    if done.returncode:
        print(done.stderr)
        return 1
    for file, line in VIOLATIONS:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder)
            shutil.copytree("spectral_nn", copy / "spectral_nn", ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy("pyproject.toml", copy)
            target = copy / "spectral_nn" / file
            target.write_text(target.read_text() + f"\n{line}\n")
            if "BROKEN" not in lint(copy).stdout:
                print(f"lint-imports did not notice “{line}” in {file}")
                return 1
    print(f"lint-imports notices each of {len(VIOLATIONS)} violations put in on trial")
    return 0


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """The command `lint-imports` takes packages from the current folder first."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(command), "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True
    )


if __name__ == "__main__":
    sys.exit(main())
