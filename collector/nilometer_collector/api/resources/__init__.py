"""The resources of the API, one module each: its views, its handlers and its operations.

Times are Unix seconds (float, UTC) for the reader's convenience; windows are half-open
``[start, end)``. Ratios are 0 to 1. A number that does not exist (the mean of nothing) is null.
"""
