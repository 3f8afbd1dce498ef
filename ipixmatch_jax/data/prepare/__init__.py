"""data.prepare"""
