"""Roll-ups: samples of 5 minutes, an hour and a day, merged in the background."""
