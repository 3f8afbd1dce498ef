"""Encoders: images to four feature maps."""
