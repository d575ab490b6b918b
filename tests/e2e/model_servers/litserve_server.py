"""A server of LitServe, the model of which is 2a - b. Arguments: the port. No import of ours."""

import sys

import litserve
from fastapi import Request


class Linear(litserve.LitAPI):
    def setup(self, device: str) -> None:
        del device

    def decode_request(self, request: Request) -> tuple[float, float]:
        return float(request["a"]), float(request["b"])  # LitServe has parsed it

    def predict(self, row: tuple[float, float]) -> float:
        return 2 * row[0] - row[1]

    def encode_response(self, output: float) -> dict[str, float]:
        return {"score": output}


if __name__ == "__main__":
    server = litserve.LitServer(Linear(), accelerator="cpu", workers_per_device=2)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=2, generate_client_file=False
    )
