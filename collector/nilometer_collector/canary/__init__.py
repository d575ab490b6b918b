"""Verdicts on canaries: a candidate against a stable side over the same windows."""
