"""Predicts images with a trained run, and exports it."""
