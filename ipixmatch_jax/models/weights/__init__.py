"""Other people's weights: files, names and orders of axes."""
