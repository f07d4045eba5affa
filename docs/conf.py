"""The site: ``sphinx-build -W -c docs . site``, from the root of the repository, since pages link to files of it."""

from gan_lightning.version import __version__

project = "gan_lightning"
author = "The gan_lightning authors"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "notebooks/*.ipynb", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
exclude_patterns = ["docs/pretrained/README.md"]

html_theme = "furo"
html_title = f"gan_lightning {version}"
templates_path: list[str] = []

myst_heading_anchors = 4
nb_execution_mode = "off"  # tests run the notebooks; the site shows the outputs that they were committed with

default_role = "code"
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # napoleon takes the names of what is returned for types
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
