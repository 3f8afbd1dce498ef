"""Turns what label tools export into a folder of images and masks."""
