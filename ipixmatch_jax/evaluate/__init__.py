"""Scores networks on whole images."""
