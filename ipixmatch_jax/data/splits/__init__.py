"""data.splits"""
