"""What AWS's Python runtime does: imports a module, and hands its `handler` one event after the other.

`bootstrap.py MODULE`, with AWS_LAMBDA_RUNTIME_API in the environment."""
import http.client
import importlib
import json
import os
import sys
import traceback


class Context:
    def __init__(self, deadline_ms):
        self.deadline_ms = int(deadline_ms)


def main():
    handler = importlib.import_module(sys.argv[1]).handler
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        runtime.request("GET", "/2018-06-01/runtime/invocation/next")
        response = runtime.getresponse()
        event = json.loads(response.read())
        request = response.getheader("Lambda-Runtime-Aws-Request-Id")
        context = Context(response.getheader("Lambda-Runtime-Deadline-Ms"))
        try:
            kind, answer = "response", handler(event, context)
        except Exception as error:
            traceback.print_exc()
            kind, answer = "error", {"errorType": type(error).__name__, "errorMessage": str(error)}
        body = json.dumps(answer)
        runtime.request("POST", f"/2018-06-01/runtime/invocation/{request}/{kind}", body)
        runtime.getresponse().read()


main()
