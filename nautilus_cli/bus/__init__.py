"""The message bus of a fleet, seen from outside: docs/bus.md is the contract that it shares with the engines."""
