"""Names of senders that are no agents."""

TABLES = "nilometer-profile"  # sends the past windows of tables; a token's `agents` may name it
