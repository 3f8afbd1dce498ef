"""Counts with their nouns, as a person writes them."""


def count_of(count: int, noun: str) -> str:
    """`1 image` or `2 images`, for nouns whose plural ends in s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
