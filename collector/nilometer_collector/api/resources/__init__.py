"""The resources of the API. Each module has the views, handlers and operations of one resource.

Times are Unix seconds (float, UTC). Windows are half-open ``[start, end)``. Ratios are 0 to 1. A
number that does not exist, such as the mean of no values, is null.
"""
