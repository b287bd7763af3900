"""Load and latency: what is asked of a run, the generator, and the pure reports of what it brought back."""
