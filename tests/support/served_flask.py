"""A model behind Flask, which tests of real servers serve."""

import os

from flask import Flask, request
from flask.typing import ResponseReturnValue

import nilometer

app = Flask(__name__)


def predict() -> ResponseReturnValue:
    payment = request.get_json()
    nilometer.log(risk=payment["amount"] * 2)
    return {"score": payment["amount"] / 1000, "pid": os.getpid()}


app.add_url_rule("/predict", view_func=predict, methods=["POST"])
