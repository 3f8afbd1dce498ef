"""Trains a grid of configs and writes one table."""
