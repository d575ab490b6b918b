"""A server of LitServe that speaks as OpenAI does, and streams. Arguments: the port. No import of ours."""

import sys
from collections.abc import Iterator
from typing import Any

import litserve


class Echo(litserve.LitAPI):
    def setup(self, device: str) -> None:
        del device

    def predict(self, asked: Any) -> Iterator[Any]:
        for word in asked.messages[-1].content.split():
            yield {
                "role": "assistant",
                "content": f"{word} ",
                "prompt_tokens": 1,
                "completion_tokens": 1,
                "total_tokens": 2,
            }


if __name__ == "__main__":
    server = litserve.LitServer(Echo(spec=litserve.OpenAISpec()), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
