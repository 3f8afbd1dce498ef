"""models.layers"""
