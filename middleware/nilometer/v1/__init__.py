"""Generated from proto/nilometer/v1 by `make proto`; never edited."""
