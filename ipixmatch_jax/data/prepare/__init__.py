"""Prepares downloads, and packs data sets into ArrayRecord files."""
