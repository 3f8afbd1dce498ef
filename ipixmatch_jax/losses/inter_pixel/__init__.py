"""losses.inter_pixel"""
