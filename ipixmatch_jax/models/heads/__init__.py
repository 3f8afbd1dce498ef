"""models.heads"""
