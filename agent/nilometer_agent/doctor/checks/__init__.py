"""The doctor's checks, one in each module."""
