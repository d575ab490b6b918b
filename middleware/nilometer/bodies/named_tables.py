"""Keys of tables that have a list of column names beside the rows, as pandas and Seldon write."""

NAMES = ("columns", "names")  # keys of the list of names: pandas' and Seldon's
ROWS = ("data", "ndarray", "rows", "values")  # keys of the rows
TENSOR = "tensor"  # key of Seldon's flat cells with their shape
SERIES = frozenset({"name", "index", "data"})  # keys of one column
SPLIT = frozenset({"columns", "index", "data", "index_names", "column_names"})  # keys of a frame
