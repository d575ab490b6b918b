"""`nilometer top`: a live view of agents and entities in a terminal.

agent_source      asks an agent over its socket
collector_source  asks a collector over HTTP
sources           runs all sources, each in its own thread, and combines their data
readings          the data of an agent at one time, and its history
agents, entities  rates per second, from differences of readings
view              builds a frame of text from rows and a size, pure
header            the lines around the table: title, agents, keys
table             the table of entities
detail            the view of one entity
pieces            pieces of text with a style
state             the state of the view and how keys change it, pure
text              makes names safe to print, measures widths, formats numbers
screen            the terminal: its modes and signals, restored at the end
keys              converts bytes from a keyboard to names of keys
report            the same data as JSON
cli               the command
"""
