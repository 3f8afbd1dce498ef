"""data.augment"""
