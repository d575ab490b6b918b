"""What a row, a reference or a rule must be before it is stored."""
