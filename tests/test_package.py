"""What holds for the package as a whole: import cost, side effects, documentation, house rules."""

import ast
import dataclasses
import importlib
import inspect
import json
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

import neurodyn

ROOT = pathlib.Path(neurodyn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PUBLIC_MODULES = (
    "neurodyn.analysis",
    "neurodyn.datasets",
    "neurodyn.errors",
    "neurodyn.inference",
    "neurodyn.io",
    "neurodyn.models",
    "neurodyn.models.baselines",
    "neurodyn.recording",
    "neurodyn.report",
    "neurodyn.simulate",
    "neurodyn.validation",
)
LAZY = ("matplotlib", "mne", "pynwb", "nilearn", "sklearn")
HEAVY = (*LAZY, "h5py", "jax", "numpy", "pandas", "scipy", "xarray")
PICKLERS = {"pickle", "joblib", "dill", "cloudpickle"}

SNAPSHOT = """
import json, logging, sys, warnings

def state():
    root = logging.getLogger()
    ours = {n: v for n, v in logging.root.manager.loggerDict.items() if n.startswith("neurodyn")}
    found = {
        "warning filters": repr(warnings.filters),
        "root handlers": repr(root.handlers),
        "root level": root.level,
        "handlers": sorted(n for n, v in ours.items() if getattr(v, "handlers", [])),
    }
    if "jax" in sys.modules:
        found["jax configuration"] = repr(sorted(sys.modules["jax"].config.values.items()))
    if "numpy" in sys.modules:
        found["random state"] = repr(sys.modules["numpy"].random.get_state())
        found["floating point errors"] = repr(sys.modules["numpy"].geterr())
    if "matplotlib" in sys.modules:
        found["matplotlib"] = repr(dict(sys.modules["matplotlib"].rcParams))
    return found
"""


def run(program: str) -> dict:
    """Run a program in a fresh interpreter; the JSON on its last line."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def public_names() -> list[str]:
    """Dotted names of every public function and class, modules in `__all__` included."""
    names, modules, seen = [], list(PUBLIC_MODULES), set()
    while modules:
        module_name = modules.pop()
        if module_name in seen:
            continue
        seen.add(module_name)
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            if inspect.ismodule(getattr(module, name)):
                modules.append(getattr(module, name).__name__)
            else:
                names.append(f"{module_name}.{name}")
    return sorted(names)


def documented(value: object) -> bool:
    """Whether a public name is code that carries a docstring, not a constant."""
    return inspect.isroutine(value) or inspect.isclass(value) or hasattr(value, "__wrapped__")


def arguments(function: object) -> list[str]:
    """Arguments a docstring owes its reader."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.name not in {"self", "cls"} and not p.name.startswith("_")]


def missing_from(doc: FunctionDoc, wanted: list[str]) -> list[str]:
    """Arguments of a call that its Parameters sections do not name."""
    sections = ("Parameters", "Other Parameters", "Attributes")
    listed = {name.strip().lstrip("*") for s in sections for p in doc[s] for name in p.name.split(",")}
    return [name for name in wanted if name not in listed]


def test_import_loads_no_heavy_library() -> None:
    loaded = run(f"import json, sys, neurodyn; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))")
    assert loaded == []


def test_import_changes_no_global_state() -> None:
    changed = run(
        SNAPSHOT + "before = state(); import neurodyn; after = state()\n"
        "print(json.dumps([k for k in before if before[k] != after[k]]))"
    )
    assert changed == []


@pytest.fixture(scope="module")
def after_importing_every_part() -> dict:
    """What a fresh interpreter reports after it imported every public module."""
    return run(
        "import equinox, importlib, jax, jaxtyping, numpy, optax, pandas, scipy, xarray\n"
        + SNAPSHOT
        + "before = state()\n"
        + f"for name in {PUBLIC_MODULES!r}: importlib.import_module(name)\n"
        + "after = state()\n"
        + "changed = [k for k in before if before[k] != after[k]]\n"
        + f"loaded = [m for m in {LAZY!r} if m in sys.modules]\n"
        + "print(json.dumps({'changed': changed, 'loaded': loaded}))"
    )


def test_importing_every_part_changes_no_global_state(after_importing_every_part: dict) -> None:
    assert after_importing_every_part["changed"] == []


def test_importing_every_part_leaves_file_and_drawing_libraries_alone(
    after_importing_every_part: dict,
) -> None:
    assert after_importing_every_part["loaded"] == []


def test_top_level_names_resolve_to_the_parts_that_define_them() -> None:
    for name in neurodyn.__all__:
        assert getattr(neurodyn, name) is not None
    assert neurodyn.read is neurodyn.io.read
    assert neurodyn.inspect is neurodyn.io.inspect
    assert neurodyn.load is neurodyn.models.load
    assert neurodyn.compare is neurodyn.validation.compare


def test_unknown_top_level_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = neurodyn.no_such_name


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_every_public_module_has_a_docstring(module: str) -> None:
    assert (importlib.import_module(module).__doc__ or "").strip()


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_every_name_of_all_exists(module: str) -> None:
    loaded = importlib.import_module(module)
    assert [name for name in getattr(loaded, "__all__", ()) if not hasattr(loaded, name)] == []


def test_every_public_name_documents_its_parameters_and_returns() -> None:
    faults = []
    for dotted in public_names():
        module, _, name = dotted.rpartition(".")
        value = getattr(importlib.import_module(module), name)
        if not documented(value):
            continue
        if not (inspect.getdoc(value) or "").strip():
            faults.append(f"{dotted} has no docstring")
        elif inspect.isclass(value):
            faults += class_faults(dotted, value)
        else:
            faults += function_faults(dotted, value)
    assert not faults, "\n".join(faults)


def class_faults(dotted: str, value: type) -> list[str]:
    """What the docstrings of a public class and its public methods lack."""
    if "__init__" in vars(value) and not issubclass(value, Warning):
        doc = ClassDoc(value, config={"show_class_members": False})
        bases = [base for base in value.__mro__[1:] if dataclasses.is_dataclass(base)]
        documented_there = {field.name for base in bases for field in dataclasses.fields(base)}
        lacking = missing_from(doc, [name for name in arguments(value) if name not in documented_there])
        faults = [f"{dotted} does not document {', '.join(lacking)}"] if lacking else []
    else:
        faults = []
    for name, method in vars(value).items():
        if not name.startswith("_") and inspect.isfunction(method) and not is_override(value, name):
            if inspect.getdoc(method):
                faults += function_faults(f"{dotted}.{name}", method)
            else:
                faults.append(f"{dotted}.{name} has no docstring")
    return faults


def is_override(value: type, name: str) -> bool:
    """Whether a base class documents this method already."""
    return any(hasattr(base, name) for base in value.__mro__[1:])


def function_faults(dotted: str, function: object) -> list[str]:
    """What the docstring of a public function lacks."""
    doc = FunctionDoc(function)
    lacking = missing_from(doc, arguments(function))
    faults = [f"{dotted} does not document {', '.join(lacking)}"] if lacking else []
    returns = inspect.signature(function).return_annotation
    if returns not in (None, "None", inspect.Signature.empty) and not (doc["Returns"] or doc["Yields"]):
        faults.append(f"{dotted} has no Returns section")
    return faults


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines(path: pathlib.Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_house_rules_hold(path: pathlib.Path) -> None:
    assert sorted(violations(ast.parse(path.read_text()))) == []


def violations(tree: ast.Module) -> set[str]:
    """House rules that a file breaks: no pickling, no asserts, no catch-all, no global state."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = {alias.name.split(".")[0] for alias in node.names}
            found |= {f"line {node.lineno} imports {root}" for root in roots & PICKLERS}
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in PICKLERS:
                found.add(f"line {node.lineno} imports {node.module}")
        elif isinstance(node, ast.Assert):
            found.add(f"line {node.lineno} asserts")
        elif isinstance(node, ast.ExceptHandler) and (
            node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"}
        ):
            found.add(f"line {node.lineno} catches everything")
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"jax.config.update", "np.random.seed", "numpy.random.seed"}:
                found.add(f"line {node.lineno} calls {called}")
            if any(k.arg == "allow_pickle" and getattr(k.value, "value", False) for k in node.keywords):
                found.add(f"line {node.lineno} allows pickles")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import dump",
        "assert True",
        "try:\n    pass\nexcept Exception:\n    pass",
        "try:\n    pass\nexcept:\n    pass",
        "jax.config.update('jax_enable_x64', True)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_house_rules_catch_what_they_forbid(source: str) -> None:
    assert violations(ast.parse(source))


def test_every_module_imports() -> None:
    names = [m.name for m in pkgutil.walk_packages([str(ROOT)], "neurodyn.")]
    assert [n for n in names if importlib.import_module(n) is None] == []
    assert "neurodyn.errors" in names


def test_citation_keys_of_the_models_are_in_the_bibliography() -> None:
    bibliography = ROOT.parent / "docs" / "references.bib"
    if not bibliography.exists():
        pytest.skip("the documentation's sources are not beside this installation")
    listed = set(re.findall(r"^@\w+\{([^,]+),", bibliography.read_text(), re.MULTILINE))
    entries = set(importlib.import_module("neurodyn.models.citations").ENTRIES) - {"neurodyn"}
    registry = importlib.import_module("neurodyn.models.registry")
    cited = {key for name in registry.names() for key in registry.get(name).citations}
    assert "rabiner1989" in cited
    assert sorted(cited - entries) == []
    assert sorted(entries - listed) == []
