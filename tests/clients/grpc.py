"""grpcio: `grpc.py CA PORT STEP…`, where a step is SNI/AUTHORITY.

Makes one unary call for each step, on a channel of its own, with a policy that repeats calls up to three times if they
are UNAVAILABLE. Prints the status and the message of every call.
"""

import json
import sys

# This file has the name of the package.
sys.path.pop(0)

import grpc  # noqa: E402

ca, port, *steps = sys.argv[1:]
with open(ca, "rb") as file:
    credentials = grpc.ssl_channel_credentials(file.read())
retries = {
    "maxAttempts": 3,
    "initialBackoff": "0.01s",
    "maxBackoff": "0.01s",
    "backoffMultiplier": 1,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
service_config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": retries}]})
for step in steps:
    sni, _, authority = step.partition("/")
    options = [
        ("grpc.ssl_target_name_override", sni),
        ("grpc.default_authority", authority),
        ("grpc.service_config", service_config),
    ]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        call = channel.unary_unary("/test.Echo/Echo", None, None)
        try:
            assert call(b"hello", timeout=60) == b"hello"
            print("OK")
        except grpc.RpcError as error:
            print(error.code().name, error.details())
