"""Losses: per pixel, and between pixels."""
