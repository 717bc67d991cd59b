"""Python's http.client: `upload.py CA PORT LENGTH`. Sends a body for two.test on a connection for one.test, all of it
before it reads. Prints the status, Cache-Control and the length of the answer's body."""

import http.client
import socket
import ssl
import sys

ca, port, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
context = ssl.create_default_context(cafile=ca)
connection = http.client.HTTPConnection("one.test", port)
connection.sock = context.wrap_socket(
    socket.create_connection(("127.0.0.1", port)), server_hostname="one.test"
)
connection.request("POST", "/", body=b"x" * length, headers={"Host": f"two.test:{port}"})
answer = connection.getresponse()
print(answer.status, answer.getheader("cache-control"), len(answer.read()))
