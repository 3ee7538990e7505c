"""Sphinx configuration: MyST Markdown, furo, warnings are errors (`make docs`)."""

project = "imcsim"
author = "The imcsim authors"
copyright = "2026, The imcsim authors"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
