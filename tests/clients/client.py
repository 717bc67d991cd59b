"""httpx: `client.py CA PORT HTTP STEP…`, where a step is HOST/PATH or HOST/PATH=AUTHORITY.

Prints the status and Cache-Control of every answer, or `error`. All steps share one client. UPLOAD in the environment is
how many bytes to send.
"""

import os
import socket
import ssl
import sys
import traceback

import httpx

ca, port, http, *steps = sys.argv[1:]
upload = b"x" * int(os.environ.get("UPLOAD", 0))
method = "POST" if upload else "GET"
addresses = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: addresses("127.0.0.1", *rest, **more)

tls = ssl.create_default_context(cafile=ca)
with httpx.Client(verify=tls, http1=http == "1.1", http2=http == "2", trust_env=False) as client:
    for step in steps:
        url, _, authority = step.partition("=")
        host, _, path = url.partition("/")
        headers = {"host": f"{authority}:{port}"} if authority else {}
        try:
            answer = client.request(
                method, f"https://{host}:{port}/{path}", headers=headers, content=upload
            )
        except httpx.TransportError:
            traceback.print_exc()
            print("error")
            continue
        assert answer.http_version == f"HTTP/{http}", answer.http_version
        print(answer.status_code, answer.headers.get("cache-control", "-"))
