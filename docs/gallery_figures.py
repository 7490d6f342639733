"""Save the figures that `neurodyn.report` returns, which pyplot does not know, as images of the gallery."""

from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

LAST_VALUE = "___"


def _get_sg_image_scraper() -> Any:
    """The scraper, under the name by which sphinx-gallery asks for it."""
    return scrape


def scrape(block: tuple, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Images of the figure that a block ends with; those of pyplot are left to its own scraper."""
    import matplotlib.pyplot as plt

    figure = block_vars["example_globals"].get(LAST_VALUE)
    managed = [plt.figure(number) for number in plt.get_fignums()]
    if not isinstance(figure, Figure) or figure in managed:
        return figure_rst([], gallery_conf["src_dir"])
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=150)
    block_vars["example_globals"][LAST_VALUE] = None
    return figure_rst([path], gallery_conf["src_dir"])
