"""Atomic files, pictures and versions: nothing of the field."""
