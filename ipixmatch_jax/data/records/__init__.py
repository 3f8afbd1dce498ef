"""Packed data sets, read without TensorFlow."""
