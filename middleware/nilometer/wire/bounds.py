"""What a message may claim: past these it is an attack or rot, not a profile."""

MAX_COUNT = 1 << 53  # observations: what float64 counts exactly
