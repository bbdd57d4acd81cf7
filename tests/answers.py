"""A recorder of answers: whether the OpenAPI document declares what the API sends in the tests.

Every answer of an application in a test is held against the document: the status, a problem's code,
our own headers, and, of each operation and status the first few times, the body's schema. What the
document lacks fails the run. So a client made from it has met all that the tests have met.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, request_finished
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from pettycash.web.admission import operation_of
from pettycash.web.headers import COMPONENTS
from pettycash.web.problems import PROBLEM

BODIES = 5
"""So many bodies of one operation, status and code are looked at; the others look alike."""
NO_BODY = (204, 304)
NOTHING = (b"", b"null")
ALWAYS_SENT = {"ETag", "Location"}
"""Headers of a success that are sent wherever they are declared."""
METHODS = ("get", "post", "put", "patch", "delete")

Findings = dict[str, str]
"""What the document lacks → the test that met it first."""


class Recorder:
    """Looks at every answer of this process."""

    def __init__(self) -> None:
        self.findings: Findings = {}
        self.bodies: Counter[tuple[str, int, str | None]] = Counter()
        self.document: Document | None = None

    def listen(self) -> None:
        """Look at all applications, those of later tests too."""
        request_finished.connect(self.see)

    def see(self, sender: Flask, response: Response, **_more: Any) -> None:
        if request.endpoint is None or request.endpoint.startswith("probe."):
            return
        if "flask-smorest" not in sender.extensions:
            return
        described = operation_of(sender, request.endpoint, request.method)
        if self.document is None:
            self.document = Document(sender)  # the program is one, so all applications have it
        if described is None or described.name not in self.document.responses:
            return
        if described.by_cookie:
            return  # a page; the document is of the API
        for missing in self.missing(self.document, described.name, response):
            test = os.environ.get("PYTEST_CURRENT_TEST", "")
            self.findings.setdefault(f"{described.name}: {missing}", test)

    def missing(self, document: "Document", name: str, response: Response) -> Iterator[str]:
        """What the document does not say of an answer of an operation."""
        status = response.status_code
        place, declared = document.response(name, status)
        if declared is None:
            yield f"{status} {_code(response) or ''}"
            return
        headers = declared.get("headers", {})
        for header in COMPONENTS:
            if header in response.headers and header not in headers:
                yield f"{status} with {header}"
            elif header in headers and header not in response.headers and header in ALWAYS_SENT:
                yield f"{status} without {header}"
        shape = declared.get("content", {}).get(response.mimetype)
        if response.is_streamed or request.method == "HEAD" or status in NO_BODY:
            return
        if shape is None:
            if response.get_data().strip() not in NOTHING:
                yield f"{status} as {response.mimetype}"
            return
        kind = name, status, _code(response) if response.mimetype == PROBLEM else None
        self.bodies[kind] += 1
        if response.is_json and self.bodies[kind] <= BODIES:
            place += f"/content/{response.mimetype.replace('/', '~1')}/schema"
            worst = best_match(document.validator(place).iter_errors(response.get_json()))
            if worst is not None:
                yield f"{status} {_code(response) or ''} {worst.json_path} {worst.message[:120]}"

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.findings))


class Document:
    """The OpenAPI document of one application."""

    def __init__(self, application: Flask) -> None:
        api = application.extensions["flask-smorest"]["apis"][""]["ext_obj"]
        self.text = json.loads(json.dumps(api.spec.to_dict()))
        self.responses: dict[str, dict[str, Any]] = {}
        self.places: dict[str, str] = {}
        for path, item in self.text["paths"].items():
            for method in METHODS:
                if method in item:
                    name = item[method]["operationId"]
                    self.responses[name] = item[method]["responses"]
                    self.places[name] = f"{path.replace('/', '~1')}/{method}"
        resource = Resource.from_contents(self.text, default_specification=DRAFT202012)
        self.registry: Registry[Any] = Registry().with_resource("urn:api", resource)
        self.validator = lru_cache(maxsize=None)(self._validator)

    def response(self, name: str, status: int) -> tuple[str, dict[str, Any] | None]:
        """Where an answer of an operation is declared, and how."""
        found = self.responses[name].get(str(status))
        if found is not None and "$ref" in found:
            shared = found["$ref"].rpartition("/")[2]
            return f"#/components/responses/{shared}", self.text["components"]["responses"][shared]
        return f"#/paths/{self.places[name]}/responses/{status}", found

    def _validator(self, place: str) -> Draft202012Validator:
        quoted = place.replace("{", "%7B").replace("}", "%7D")
        return Draft202012Validator({"$ref": f"urn:api{quoted}"}, registry=self.registry)


def _code(response: Response) -> str | None:
    found = response.get_json() if response.mimetype == PROBLEM else None
    return found["code"] if found else None


RECORDER = Recorder()


def merged(folder: Path) -> Findings:
    """What all workers of the run have found."""
    found: Findings = {}
    for path in sorted(folder.glob("answers-*.json")):
        found = json.loads(path.read_text()) | found
    return found
