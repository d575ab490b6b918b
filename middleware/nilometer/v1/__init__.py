"""Generated from proto/nilometer/v1 by `make proto`; do not edit."""
