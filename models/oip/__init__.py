"""Open Inference Protocol v2: bytes to requests and answers, and back, with JSON and binary tensors. No HTTP.

A body is JSON, or a JSON header with the tensors' raw bytes behind it; then the header's length travels beside the body
(over HTTP as `Inference-Header-Content-Length`).

Source: https://github.com/kserve/open-inference-protocol and Triton's binary tensor data extension.
"""
