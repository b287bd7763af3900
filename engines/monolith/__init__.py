"""Every engine in one process: what `nautilus bench --monolith` sets against the fleet."""
