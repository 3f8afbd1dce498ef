"""A local page that predicts the images that are dropped on it."""
