"""engines.yaml and its overlays as a fleet and back: every problem at once, each as file:line:column."""

from nautilus_cli.loader.document import Loaded, load
from nautilus_cli.loader.jsonschema import schema
from nautilus_cli.loader.show import annotated, render, resolved

__all__ = ["Loaded", "annotated", "load", "render", "resolved", "schema"]
