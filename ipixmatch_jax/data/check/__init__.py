"""Looks at every file of a data set before training."""
