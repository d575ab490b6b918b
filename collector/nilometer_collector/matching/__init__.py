"""Joins ground truth that came before its predictions, and removes old labels."""
