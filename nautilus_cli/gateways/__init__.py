"""One stable port per engine in front of all its replicas."""
