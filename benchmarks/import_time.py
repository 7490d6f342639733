"""CPU seconds of `import neurodyn` beside `import numpy`, each in fresh interpreters.

python -m benchmarks.import_time [--repeats 10]
"""

import argparse
import subprocess
import sys

from benchmarks.measure import SHORT, Line, Spread, at_most, show, spread, table, versions, write_page
from benchmarks.race import environment_of_child

BAR = 0.3
CODE = "import time; b = time.process_time(); import {}; print(time.process_time() - b)"
BARE = "import time; print(time.process_time())"


def import_seconds(module: str) -> float:
    """CPU seconds one fresh interpreter spends on one import (an empty name: on starting at all)."""
    code = CODE.format(module) if module else BARE
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment_of_child()
    )
    return float(done.stdout)


def measure(repeats: int) -> tuple[dict[str, Spread], list[Line]]:
    """Spread of each import over interleaved repeats, and the lines."""
    modules = ("numpy", "neurodyn", "jax", "neurodyn.models.hmm")
    found: dict[str, list[float]] = {module: [] for module in modules}
    for module in modules:
        import_seconds(module)
    for _ in range(repeats):
        for module in modules:
            found[module].append(import_seconds(module))
    spreads = {module: spread(values) for module, values in found.items()}
    lazy = spreads["neurodyn.models.hmm"].median
    note = f"numpy {spreads['numpy'].median:.3f}, the first use of a model {lazy:.3f}; medians of {repeats}"
    return spreads, [at_most("import neurodyn", spreads["neurodyn"].median, BAR, "CPU s", note)]


def main() -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    chosen = parser.parse_args()
    spreads, lines = measure(chosen.repeats)
    body = table(("import", "CPU s, median (range)"), spreads.items()) + "\n\n" + show(lines[0])
    print(body)
    record = {
        "seconds": {name: vars(one) for name, one in spreads.items()},
        "versions": versions("neurodyn", "numpy", "jax"),
    }
    write_page("import", "Import time", "python -m benchmarks.import_time", body, record)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
