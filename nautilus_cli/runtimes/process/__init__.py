"""Replicas as processes of this machine: no Docker, the same plan, rollout steps and gateway."""
