"""`nilometer top`: a live view of agents and entities in a terminal.

sources  ask agents and a collector, each in a thread of its own
rates    readings -> what happened per second, from differences
view     rows and a size -> a frame of text, pure
state    keys -> what is shown, pure
text     names that cannot break a screen, widths, numbers for people
screen   the terminal: modes, signals, keys, and leaving it as it was
cli      the command
"""
