"""A model of KServe, 2a - b, over V1, V2 and gRPC. No import of ours."""

from argparse import ArgumentParser
from functools import partialmethod
from typing import Any

import grpc
import numpy as np
import uvicorn
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server

HOST = "127.0.0.1"


def listen_on_loopback() -> None:
    """KServe listens on every address and has no setting for it; a test must not."""
    uvicorn.Config.__init__ = partialmethod(_config, uvicorn.Config.__init__)
    add = grpc.aio.Server.add_insecure_port
    grpc.aio.Server.add_insecure_port = lambda server, address: add(
        server, address.replace("[::]", HOST)
    )


def _config(self: Any, init: Any, *arguments: Any, **named: Any) -> None:
    init(self, *arguments, **{**named, "host": HOST})


class Linear(Model):
    def load(self) -> bool:
        self.ready = True
        return True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        del headers, response_headers
        weights = np.array([2.0, -1.0])
        if not isinstance(payload, InferRequest):
            return {"predictions": (np.array(payload["instances"]) @ weights).tolist()}
        answer = payload.inputs[0].as_numpy() @ weights
        output = InferOutput(name="score", shape=list(answer.shape), datatype="FP64")
        given = payload.inputs[0].parameters or {}
        binary = payload.from_grpc or "binary_data_size" in given
        output.set_data_from_numpy(answer, binary_data=binary)
        return InferResponse(payload.id, self.name, [output])


if __name__ == "__main__":
    listen_on_loopback()
    arguments = ArgumentParser(parents=[model_server.parser]).parse_args()
    model = Linear("linear")
    model.load()
    ModelServer(workers=arguments.workers).start([model])
