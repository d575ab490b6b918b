"""Taking observations in the model server: O(1) in the path of a request, everything else beside."""
