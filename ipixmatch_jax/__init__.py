"""IPixMatch: semi-supervised semantic segmentation in JAX."""
