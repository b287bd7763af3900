"""What every engine shares: settings, health, metrics, routes, the hot lane, the server and the bundled prices."""
