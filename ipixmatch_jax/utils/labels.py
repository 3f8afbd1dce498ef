"""The label that losses, metrics and data sets share."""

IGNORE = 255  # The label of pixels that count nowhere.
