"""What every engine shares: settings, health, metrics, routes, the fast lane, the server and the bundled prices."""
