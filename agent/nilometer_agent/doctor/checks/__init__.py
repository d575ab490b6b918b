"""What the doctor looks at, one check a module."""
