"""A real MLServer that serves a scikit-learn model, for tests."""

import json
import os
import re
import socket
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType

from tests.running import PATIENCE, until

MODEL = "cancer"


class MLServer:
    """MLServer on free ports, with the model at `artefact`; `python` is that of its environment."""

    def __init__(self, python: Path, artefact: Path, folder: Path) -> None:
        self.port, self._metrics, grpc = _free_ports(3)
        self._log = folder / "log"
        settings = {
            "host": "127.0.0.1",
            "http_port": self.port,
            "metrics_port": self._metrics,
            "grpc_port": grpc,
            "parallel_workers": 0,
        }
        model = {
            "name": MODEL,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(artefact), "version": "v1"},
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(model))
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [python.parent / "mlserver", "start", folder],
                stdout=log,
                stderr=log,
                env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
                cwd=folder,
            )
        until(self._ready, "MLServer")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"MLServer has ended: {self._log.read_text()[-2000:]}")
        try:
            return self._get(self.port, f"/v2/models/{MODEL}/ready")[0] == 200
        except OSError:
            return False

    def _get(self, port: int, path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def inferences(self) -> int:
        """How many it has counted, whatever it said."""
        _, text = self._get(self._metrics, "/metrics")
        found = re.findall(
            r'^rest_server_requests_total\{.*path="/v2/models/\{model_name\}/infer".*\} (\S+)$', text, re.MULTILINE
        )
        return int(sum(map(float, found)))

    def __enter__(self) -> "MLServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _free_ports(count: int) -> list[int]:
    """MLServer cannot pick its own."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
