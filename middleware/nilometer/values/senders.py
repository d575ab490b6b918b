"""Names of senders that are not agents."""

TABLES = "nilometer-profile"  # sends past windows of tables; a token's `agents` may name it
