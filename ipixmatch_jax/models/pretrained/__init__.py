"""models.pretrained"""
