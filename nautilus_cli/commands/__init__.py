"""One file a command: each opens a context, calls the core and shows the result."""
