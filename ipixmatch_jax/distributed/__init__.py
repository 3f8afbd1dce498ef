"""Processes, the device mesh, and preemption."""
