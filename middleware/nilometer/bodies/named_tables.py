"""Keys of tables that have a list of column names beside the rows, as pandas and Seldon write."""

# Keys of the list of names: pandas', Seldon's, and that of Watson Machine Learning and H2O
NAMES = ("columns", "names", "fields")
NAMED = frozenset({"columns", "fields"})  # those of an object with the names and the rows only
NAMED_ROWS = ("values", "rows", "score")  # and the keys of the rows there
ROWS = ("data", "ndarray", "rows", "values")  # keys of the rows
TENSOR = "tensor"  # key of Seldon's flat cells with their shape
SERIES = frozenset({"name", "index", "data"})  # keys of one column
SPLIT = frozenset({"columns", "index", "data", "index_names", "column_names"})  # keys of a frame
