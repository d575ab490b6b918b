"""The resources of the API, one module each, with views, handlers and operations.

Times are Unix seconds (float, UTC). Windows are half-open ``[start, end)``. Ratios are 0 to 1. A
number that does not exist, such as the mean of no values, is null.
"""
