"""Everything `make bench` runs: T1 to T5, import time, folds.

python benchmarks/run.py [t1] [t2] [t3] [t3b] [t4] [t5] [import_time] [folds]
"""

import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = ("import_time", "t1", "t2", "t3", "t3b", "t4", "t5", "folds")


def main() -> int:
    """Run each part in a process of its own; exit status 1 where one misses a bar or fails."""
    wanted = sys.argv[1:] or list(PARTS)
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        print(f"unknown part {unknown[0]}; choose among {', '.join(PARTS)}")
        return 2
    status = 0
    for part in wanted:
        print(f"-- {part}", flush=True)
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{part}"], cwd=ROOT, check=False)
        status = max(status, int(done.returncode != 0))
        print(f"-- {part}: {time.perf_counter() - began:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
