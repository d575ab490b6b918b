"""Saves a model of scikit-learn, 2a - b, as MLflow keeps it. Arguments: where. No import of ours."""

import sys

import mlflow.sklearn
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

if __name__ == "__main__":
    drawn = np.random.default_rng(7).normal(size=(200, 2))
    rows = pd.DataFrame(drawn, columns=["a", "b"])
    model = LinearRegression().fit(rows, 2 * rows["a"] - rows["b"])
    mlflow.sklearn.save_model(model, sys.argv[1], input_example=rows[:2])
