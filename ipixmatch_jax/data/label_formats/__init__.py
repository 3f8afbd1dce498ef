"""Encodings of label tools that are both read and written here."""
