"""Objects that users declare: their kinds, documents of them, their changes and their history."""
