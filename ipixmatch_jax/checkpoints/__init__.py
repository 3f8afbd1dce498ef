"""Checkpoints, their checksums, and the lock of a run's folder."""
