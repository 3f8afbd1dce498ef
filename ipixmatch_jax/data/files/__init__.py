"""data.files"""
