"""OpenAI's own client. Prints what it saw, as JSON. No import of ours.

Arguments: the port, requests of each kind.
"""

import json
import sys
from typing import Any

from openai import OpenAI

if __name__ == "__main__":
    port, requests = map(int, sys.argv[1:])
    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    seen: list[Any] = []
    for number in range(requests):
        asked: Any = {
            "model": "echo",
            "messages": [{"role": "user", "content": "one two three" + " more" * (number % 3)}],
        }
        whole = client.chat.completions.create(**asked)
        parts = client.chat.completions.create(**asked, stream=True)
        seen.append(whole.choices[0].message.content)
        seen.append([part.choices[0].delta.content for part in parts])
    print(json.dumps(seen))
