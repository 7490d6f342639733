"""One virtual environment per peer below `benchmarks/envs`, made from package names alone.

python -m benchmarks.environments [hmmlearn] [dynamax] [ssm] [nemos] [pyhgf] [torch]
    [tensortools] [tensorly] [leiden]
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

from benchmarks.measure import ROOT, NotMeasured

FOLDER = pathlib.Path(os.environ.get("NEURODYN_BENCH_ENVS") or ROOT / "benchmarks" / "envs")

# Each step is one pip call: ssm's only release imports numpy and Cython while it is built.
STEPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "hmmlearn": (("hmmlearn>=0.3.2",),),
    "dynamax": (("dynamax>=1.0",),),
    "ssm": (
        ("setuptools<70", "wheel", "cython<3", "numpy<1.24", "scipy<1.12", "numba<0.58", "autograd<1.6"),
        ("scikit-learn<1.4", "matplotlib<3.8", "tqdm", "seaborn<0.13"),
        ("--no-build-isolation", "--no-deps", "ssm==0.0.1"),
    ),
    "nemos": (("nemos>=0.2",),),
    "pyhgf": (("pyhgf>=0.2.9",),),
    "torch": (("numpy", "torch==2.13.0"),),
    "tensortools": (("numba", "tensortools>=0.4"),),
    "tensorly": (("tensorly>=0.8",),),
    "leiden": (("numpy", "igraph>=0.11", "leidenalg>=0.10"),),
}
PROOF = {
    "hmmlearn": "from hmmlearn.hmm import GaussianHMM, PoissonHMM",
    "dynamax": "from dynamax.hidden_markov_model import GaussianHMM, PoissonHMM",
    "ssm": (
        "import autograd.scipy.misc as m, autograd.scipy.special as s; m.logsumexp = s.logsumexp; "
        "import ssm; ssm.HMM(2, 3, observations='poisson')"
    ),
    "nemos": "from nemos.glm import PopulationGLM",
    "pyhgf": "from pyhgf.model import Network",
    "torch": "import torch",
    "tensortools": "from tensortools import KTensor, ncp_hals",
    "tensorly": "from tensorly.decomposition import non_negative_parafac_hals",
    "leiden": "import igraph, leidenalg",
}
SHOWN = (
    "hmmlearn",
    "dynamax",
    "ssm",
    "nemos",
    "pyhgf",
    "torch",
    "tensortools",
    "tensorly",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "numba",
    "autograd",
    "igraph",
    "leidenalg",
)
PIP_SECONDS = 1800


def interpreter(peer: str) -> pathlib.Path:
    """Python of a peer's environment."""
    folder = FOLDER / peer
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure(peer: str) -> str:
    """Python of a peer's environment, which is made where it is absent.

    Parameters
    ----------
    peer : str
        One of `STEPS`.

    Returns
    -------
    str
        Path of the interpreter.

    Raises
    ------
    NotMeasured
        If the environment cannot be made, or the peer cannot be imported in it.
    """
    stamp = FOLDER / peer / ".stamp"
    recipe = hashlib.sha256(repr((STEPS[peer], sys.version_info[:2])).encode()).hexdigest()[:16]
    if stamp.is_file() and json.loads(stamp.read_text())["recipe"] == recipe:
        return str(interpreter(peer))
    if (FOLDER / peer).exists():
        shutil.rmtree(FOLDER / peer)
    FOLDER.mkdir(parents=True, exist_ok=True)
    print(f"   making the environment of {peer} (a few minutes)", flush=True)
    _run([sys.executable, "-m", "venv", str(FOLDER / peer)], peer)
    for step in STEPS[peer]:
        _run([str(interpreter(peer)), "-m", "pip", "install", "--quiet", "--no-compile", *step], peer)
    _run([str(interpreter(peer)), "-c", PROOF[peer]], peer)
    stamp.write_text(json.dumps({"recipe": recipe, "versions": installed(peer)}) + "\n")
    return str(interpreter(peer))


def installed(peer: str) -> dict[str, str]:
    """Versions of what matters in a peer's environment."""
    code = (
        "import json, importlib.metadata as m\n"
        f"found = {{d.metadata['Name'].lower(): d.version for d in m.distributions()}}\n"
        f"print(json.dumps({{n: found[n] for n in {SHOWN!r} if n in found}}))"
    )
    return json.loads(_run([str(interpreter(peer)), "-c", code], peer))


def _run(command: list[str], peer: str) -> str:
    """Run one step; a failure is a reason, not a crash."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"the environment of {peer} could not be made: {error}") from error
    if done.returncode:
        said = [row for row in done.stderr.strip().splitlines() if row.strip()] or ["no message"]
        errors = [row for row in said if "error" in row.lower()] or said
        raise NotMeasured(f"the environment of {peer} could not be made: {errors[-1].strip()[:200]}")
    return done.stdout


def main() -> int:
    """Make the environments named on the command line (default: all) and print their versions."""
    failed = 0
    for peer in sys.argv[1:] or STEPS:
        if peer not in STEPS:
            print(f"{peer}: unknown; choose among {', '.join(STEPS)}")
            failed = 1
            continue
        try:
            ensure(peer)
            print(f"{peer}: " + ", ".join(f"{name} {version}" for name, version in installed(peer).items()))
        except NotMeasured as error:
            print(f"{peer}: {error}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
