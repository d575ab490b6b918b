"""Checks of rows, references and alerters before they are stored."""
