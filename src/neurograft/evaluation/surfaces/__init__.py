"""Distances between the surfaces of two segmentations, in millimetres, under two definitions of a surface."""
