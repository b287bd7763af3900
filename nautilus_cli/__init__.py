"""nautilus runs a fleet of HTTP engines: one file, one port per engine, replicas behind it."""

__version__ = "0.1.0"
