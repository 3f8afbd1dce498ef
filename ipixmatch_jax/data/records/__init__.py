"""data.records"""
