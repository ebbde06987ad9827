"""How Sphinx builds these pages: `bash scripts/docs.sh`."""

import emoasr

project = "emoasr"
author = "The emoasr authors"
release = emoasr.__version__

extensions = [
    "myst_nb",  # Markdown and notebooks
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # Google's docstrings
    "sphinx.ext.viewcode",
]
exclude_patterns = ["**.ipynb_checkpoints"]
default_role = "code"
html_theme = "furo"
html_title = f"emoasr {release}"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_show_copyright = False

# Headings get anchors as on GitHub, so that links work in both places. Links to files outside of
# `docs/`, such as WORKSPACE.md, are copied along.
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]
nb_execution_mode = "off"  # tests/test_docs.py runs the notebooks

autodoc_typehints = "description"
autodoc_member_order = "bysource"
