r"""How Sphinx builds the site: `make docs` writes it to `docs/_build/html`."""

import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext import autosummary

import energy_gans

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

project = "energy-gans"
author = "the energy-gans developers"
project_copyright = f"2026, {author}"
release = version = energy_gans.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.katex",
    "sphinxcontrib.programoutput",
    "extensions.python_reference",
]
exclude_patterns = ["_build", "drawings", "extensions", "gallery", "web", "**/.*"]
templates_path = ["_templates"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

# The style sheet and the fonts of KaTeX lie in _static, so that formulas need no network.
katex_css_path = "katex/katex.min.css"

autodoc_default_options = {"members": True, "member-order": "bysource"}
# Lightning's own text on a hook that a class overrides is not repeated.
autodoc_inherit_docstrings = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autosummary_generate = False
# A summary does not end at these.
autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.", "Fig.")
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": True,
    "min_reported_time": 3600,
    "plot_gallery": True,
}

plot_html_show_formats = False
plot_html_show_source_link = True
plot_formats = [("png", 120)]

html_theme = "furo"
html_title = "energy-gans"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}

NO_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>energy-gans</title>
<p>The page that runs trained models in a browser is not a part of this copy of the site:
<code>make web</code> adds it. <a href="../play.html">Back</a>.</p></html>
"""


def relink(app: Sphinx, name: str, source: list[str]) -> None:
    r"""Makes the links between `docs` and `results` those of the site.

    In the repository the two are neighbours. On the site, `results` is a part of `docs`.
    """
    if name.startswith("results/"):
        source[0] = source[0].replace("](../docs/", "](../")
    else:
        up = "../" * (name.count("/") + 1)
        source[0] = re.sub(rf"\]\({re.escape(up)}(?=results/)", f"]({up[3:]}", source[0])


def erase(app: Sphinx, doctree: nodes.document) -> None:
    r"""Carries out the backspaces in the help of commands, as a terminal does."""
    for node in doctree.findall(nodes.literal_block):
        if "\b" in node.astext():
            node.rawsource = re.sub(".\b", "", node.astext())
            node.children = [nodes.Text(node.rawsource)]


def copy_results(app: Sphinx) -> None:
    r"""Copies the pages and pictures of `results` into the site, which reads one folder."""
    shutil.copytree(ROOT / "results", ROOT / "docs/results", dirs_exist_ok=True)


def align(app: Sphinx, doctree: nodes.document) -> None:
    r"""Puts formulas of several lines into the environment that KaTeX wants for them."""
    for node in doctree.findall(nodes.math_block):
        formula = node.astext()
        if re.search(r"&|\\\\", formula) and r"\begin{" not in formula:
            node.children = [nodes.Text(f"\\begin{{aligned}}{formula}\\end{{aligned}}")]


def stand_in_for_page(app: Sphinx, error: Exception | None) -> None:
    r"""Writes a page that says how to build the one of `make web`, unless that is there."""
    page = Path(app.outdir, "web/index.html")
    if app.builder.format == "html" and not page.exists():
        page.parent.mkdir(exist_ok=True)
        page.write_text(NO_PAGE, encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", copy_results)
    app.connect("source-read", relink)
    app.connect("doctree-read", align)
    app.connect("doctree-read", erase)
    app.connect("build-finished", stand_in_for_page)
