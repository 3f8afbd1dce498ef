"""Packs data sets into ArrayRecord files."""
