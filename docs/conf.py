"""Sphinx configuration."""

import importlib
import pathlib
import pkgutil
import sys

import matplotlib

import neurodyn

matplotlib.use("agg")
sys.path.insert(0, str(pathlib.Path(__file__).parent))


def show_all_to_autosummary(name: str) -> None:
    """Autosummary heeds `__all__` only where `dir` lists it, which lazily loaded packages do not."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return  # autosummary warns about it, with the reason
    if hasattr(module, "__all__"):
        module.__dir__ = lambda: [*module.__all__, "__all__"]


for package in pkgutil.walk_packages(neurodyn.__path__, "neurodyn.", onerror=lambda name: None):
    if package.ispkg:
        show_all_to_autosummary(package.name)

project = "neurodyn"
author = "The neurodyn developers"
copyright = "2026, The neurodyn developers"
version = release = neurodyn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "myst_parser",
    "numpydoc",
]
exclude_patterns = ["_build", "_templates", "gallery/**/*.ipynb", "gallery/**/*.py", "sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "py:obj"

html_theme = "pydata_sphinx_theme"
html_title = "neurodyn"
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["gallery.css"]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
maximum_signature_line_length = 100

numpydoc_show_class_members = False
numpydoc_validation_checks = set()

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("gallery_figures", "matplotlib"),
    "ignore_repr_types": r"Picture",
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
}
