"""An interface of Gradio, the model of which is 2a - b. Arguments: the port. No import of ours."""

import sys

import gradio


def score(a: float, b: float) -> float:
    return 2 * a - b


if __name__ == "__main__":
    interface = gradio.Interface(
        score, [gradio.Number(), gradio.Number()], gradio.Number(), api_name="predict"
    )
    interface.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
