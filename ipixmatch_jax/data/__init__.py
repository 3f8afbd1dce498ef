"""Images on disk to batches on the host: NumPy, Pillow and grain."""
