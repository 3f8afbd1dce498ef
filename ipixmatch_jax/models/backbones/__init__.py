"""models.backbones"""
