"""models.weights"""
