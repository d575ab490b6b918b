"""Likely causes of episodes: reads the windows of an episode and comparable ones, within bounds."""
