"""Alerter rules and episodes over all agents."""
