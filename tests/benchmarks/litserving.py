"""The model behind LitServe: `python -m tests.benchmarks.litserving PORT`, with the variables of `served`."""

import sys

import litserve
from fastapi import Request

from ml.inference import Outcome
from tests.benchmarks.served import PATIENCE, batch_size, loaded, plane_of, told, workers

FILLING = 0.05  # seconds for which a batch waits to be filled


class Screen(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.scorer = loaded()

    def decode_request(self, request: Request) -> bytes:
        return plane_of(request["pictures"].file.read())

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        return inputs

    def predict(self, x: list[bytes]) -> list[Outcome]:
        return self.scorer.score(x)

    def unbatch(self, output: list[Outcome]) -> list[Outcome]:
        return output

    def encode_response(self, output: Outcome) -> list[dict[str, object]]:
        return [told(output)]


if __name__ == "__main__":
    api = Screen(max_batch_size=batch_size(), batch_timeout=FILLING, api_path="/screen")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers(), timeout=PATIENCE)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
