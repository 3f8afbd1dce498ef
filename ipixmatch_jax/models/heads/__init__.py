"""One head per file."""
