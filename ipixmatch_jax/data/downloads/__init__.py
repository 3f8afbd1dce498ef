"""Unpacks downloads and makes the masks that they lack."""
