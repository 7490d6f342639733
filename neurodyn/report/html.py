"""The parts a page is built from: escaping, tables, figures, the style sheet."""

import dataclasses
import html
from collections.abc import Callable, Iterable, Sequence
from string import Template
from typing import Any

from neurodyn.report.style import NARROW, png

PHONE = 3.9
DESKTOP = 8.0


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn at any width.

    Parameters
    ----------
    draw : callable
        ``draw(width)`` gives a matplotlib figure, `width` in inches.
    alt : str
        What is to be seen, for those who cannot see it.
    caption : str
        How to read it.
    width : float
        Width on a desktop in inches.
    name : str
        File name without ending.
    """

    draw: Callable[[float], Any]
    alt: str
    caption: str
    width: float = DESKTOP
    name: str = "figure"


def text(value: Any) -> str:
    """Escape anything for HTML."""
    return html.escape(str(value), quote=True)


def figure(drawing: Drawing, dpi: float) -> str:
    """A figure in two widths, the narrow one for phones."""
    wide = drawing.draw(drawing.width)
    style = f"width:{drawing.width * 100:.0f}px"
    image = (
        f'<img alt="{text(drawing.alt)}" style="{style}" src="data:image/png;base64,{png(wide, dpi=dpi)}">'
    )
    source = ""
    if drawing.width > NARROW:
        narrow = png(drawing.draw(PHONE), dpi=dpi)
        source = f'<source media="(max-width: 640px)" srcset="data:image/png;base64,{narrow}">'
    caption = f"<figcaption>{text(drawing.caption)}</figcaption>" if drawing.caption else ""
    return f"<figure><picture>{source}{image}</picture>{caption}</figure>"


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    classes: Sequence[str] = (),
) -> str:
    """A table of cells that are HTML already; `classes` are those of the rows."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = []
    for index, row in enumerate(rows):
        cells = "".join(
            f'<th scope="row">{cell}</th>' if place == 0 else f"<td>{cell}</td>"
            for place, cell in enumerate(row)
        )
        kind = f' class="{classes[index]}"' if index < len(classes) and classes[index] else ""
        body.append(f"<tr{kind}>{cells}</tr>")
    title = f'<p class="quiet">{text(caption)}</p>' if caption else ""
    return (
        f'{title}<div class="scroll" tabindex="0" role="region" aria-label="{text(caption or "table")}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def definitions(pairs: Iterable[tuple[str, Any]]) -> str:
    """A list of terms and what they are."""
    return "<dl>" + "".join(f"<dt>{text(term)}</dt><dd>{text(value)}</dd>" for term, value in pairs) + "</dl>"


def section(identity: str, title: str, *parts: str) -> str:
    """A section with a heading."""
    return f'<section id="{identity}"><h2>{text(title)}</h2>{"".join(parts)}</section>'


def page(title: str, lead: str, navigation: Sequence[tuple[str, str]], body: str, footer: str) -> str:
    """The whole page."""
    links = "".join(f'<a href="#{identity}">{text(label)}</a>' for identity, label in navigation)
    return PAGE.substitute(title=text(title), lead=lead, links=links, body=body, footer=footer, style=STYLE)


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="neurodyn">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><div class="inner"><p class="brand">neurodyn report</p><h1>$title</h1>$lead</div></header>
<nav aria-label="Sections"><div class="inner">$links</div></nav>
<main class="inner">$body</main>
<footer><div class="inner">$footer</div></footer>
</body>
</html>
""")

STYLE = """
:root { --ink: #1c2733; --quiet: #55626f; --line: #dfe4e9; --soft: #f5f7f9; --accent: #0b5fa5; --good: #117733;
  --bad: #a63d40; --open: #8a6d1b; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: #fff; line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.inner { max-width: 920px; margin: 0 auto; padding: 0 24px; }
header { background: var(--soft); border-bottom: 1px solid var(--line); padding: 36px 0 28px; }
.brand { margin: 0 0 6px; font-size: 13px; letter-spacing: .04em; color: var(--quiet); }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; overflow-wrap: anywhere; }
header p.what { margin: 0; color: var(--quiet); overflow-wrap: anywhere; }
nav { position: sticky; top: 0; background: rgba(255, 255, 255, .96); border-bottom: 1px solid var(--line); z-index: 2; }
nav .inner { display: flex; gap: 22px; overflow-x: auto; }
nav a { padding: 11px 0; color: var(--quiet); text-decoration: none; font-size: 14px; white-space: nowrap; }
nav a:hover, nav a:focus { color: var(--accent); }
section { padding: 30px 0 6px; scroll-margin-top: 40px; }
h2 { font-size: 22px; margin: 0 0 12px; }
h3 { font-size: 17px; margin: 26px 0 6px; overflow-wrap: anywhere; }
p { margin: 0 0 12px; max-width: 72ch; overflow-wrap: anywhere; }
.headline { font-size: 21px; line-height: 1.4; font-weight: 600; max-width: 62ch; }
.findings { list-style: none; margin: 18px 0 0; padding: 0; display: grid; gap: 12px; }
.findings li { border-left: 4px solid var(--line); padding: 2px 0 2px 14px; }
.findings .beats { border-color: var(--good); } .findings .short { border-color: var(--bad); }
.findings .open { border-color: var(--open); }
.findings b { display: block; font-size: 14px; }
.tag { font-weight: 600; font-size: 13px; } .beats .tag { color: var(--good); } .short .tag { color: var(--bad); }
.open .tag { color: var(--open); }
.quiet { color: var(--quiet); font-size: 14px; }
figure { margin: 14px 0 20px; }
img { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--quiet); font-size: 14px; margin-top: 4px; max-width: 78ch; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 28px; align-items: start; }
/* Wide tables take the room that the window has beside the text; a shadow says that there is more to the side. */
.scroll { overflow-x: auto; margin: 10px min(0px, max(-260px, (968px - 100vw) / 2)) 18px 0;
  background: linear-gradient(to left, #fff 30%, transparent) right / 40px 100% no-repeat local,
    radial-gradient(farthest-side at 100% 50%, rgba(28, 39, 51, .22), transparent) right / 14px 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { text-align: right; padding: 6px 12px; border-bottom: 1px solid var(--line); white-space: nowrap;
  vertical-align: top; }
th:first-child, td.words { text-align: left; } thead th { font-weight: 600; border-bottom: 1.5px solid var(--quiet);
  vertical-align: bottom; white-space: normal; min-width: 6.5em; }
tbody th { font-weight: 400; position: sticky; left: 0; background: #fff; z-index: 1; }
tr.model th { font-weight: 600; } tr.bound th, tr.bound td { color: var(--quiet); font-style: italic; }
td small { color: var(--quiet); display: block; } td b { color: var(--accent); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 8px 0 16px; font-size: 15px; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }
ul.warnings li { margin-bottom: 6px; overflow-wrap: anywhere; }
details { margin: 10px 0; } summary { cursor: pointer; color: var(--accent); }
a { color: var(--accent); }
footer { border-top: 1px solid var(--line); margin-top: 30px; padding: 18px 0 40px; color: var(--quiet); font-size: 13px; }
@media (max-width: 640px) {
  .inner { padding: 0 16px; } header { padding: 22px 0 18px; } h1 { font-size: 24px; } .headline { font-size: 18px; }
  .pair { grid-template-columns: 1fr; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
  th, td { padding: 6px 8px; }
}
@media print { nav { display: none; } section { break-inside: avoid-page; } }
"""
