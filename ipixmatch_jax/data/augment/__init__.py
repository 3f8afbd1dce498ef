"""Weak and strong views: drawn on the host, applied anywhere."""
