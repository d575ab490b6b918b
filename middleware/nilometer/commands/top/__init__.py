"""`nilometer top`: a live view of agents and entities in a terminal.

agent_source      asks an agent over its socket
collector_source  asks a collector over HTTP
sources           all of them, each in a thread of its own, and what they say together
readings          what an agent told, and its history
agents, entities  readings -> what happened per second, from differences
view              rows and a size -> a frame of text, pure
header            the lines around the table: title, agents, keys
table             the table of entities
detail            one entity alone
pieces            text with a style
state             keys -> what is shown, pure
text              names that cannot break a screen, widths, numbers for people
screen            the terminal: modes, signals, and leaving it as it was
keys              bytes of a keyboard -> names of keys
report            the same as JSON
cli               the command
"""
