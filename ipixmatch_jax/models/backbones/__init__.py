"""One encoder per file."""
