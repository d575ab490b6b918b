"""Run by the environment of Triton: a model that doubles, until stdin ends. No import of ours."""

import sys
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


@batch  # type: ignore[untyped-decorator]  # Triton's, without types
def double(x: Any) -> list[Any]:
    return [x * np.float32(2)]


if __name__ == "__main__":
    http, grpc, metrics = map(int, sys.argv[1:4])
    config = TritonConfig(
        http_address="127.0.0.1",
        grpc_address="127.0.0.1",
        http_port=http,
        grpc_port=grpc,
        allow_metrics=False,
        metrics_port=metrics,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="doubler",
            infer_func=double,
            inputs=[Tensor(name="x", dtype=np.float32, shape=(4,))],
            outputs=[Tensor(name="y", dtype=np.float32, shape=(4,))],
            config=ModelConfig(max_batch_size=64),
        )
        triton.run()
        sys.stdin.read()
