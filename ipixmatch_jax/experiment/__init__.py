"""From a config to data, a network and a trained run."""
