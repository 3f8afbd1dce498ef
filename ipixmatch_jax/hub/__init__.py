"""Trained networks as repositories of the Hugging Face hub."""
