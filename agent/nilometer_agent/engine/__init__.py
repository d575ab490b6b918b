"""The engine: decodes, profiles, commits, closes windows and evaluates alerters on one thread."""
