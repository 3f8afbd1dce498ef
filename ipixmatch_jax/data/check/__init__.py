"""data.check"""
