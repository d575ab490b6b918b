"""Diagnosis of a set-up: what is wrong and what to do."""
