"""Everything that is printed: console, tables, progress."""
