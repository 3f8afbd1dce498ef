"""Chooses the unlabelled images to label next."""
