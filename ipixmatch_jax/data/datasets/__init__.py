"""data.datasets"""
