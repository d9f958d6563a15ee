"""Schemathesis against the API: thousands of requests drawn from its document, and no answer that is not in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.control.api_rig import TOKEN, ApiRig, serving
from tests.in_thread import in_thread
from tradebot.control import request_guard
from tradebot.control.openapi import openapi_document

schemathesis = pytest.importorskip("schemathesis")
pytestmark = [pytest.mark.prove, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
NOT_DRAWN = ("/api/v1/events", "/openapi.json")  # an answer that does not end, and the document itself


@asynccontextmanager
async def trading(folder: Path) -> AsyncIterator[int]:
    rig = ApiRig(folder)
    rig.begin_trading()
    rig.apis.metrics = lambda: b"tradebot_up 1\n"
    await rig.write_journal()
    async with serving(rig) as port:
        yield port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The API in a thread, without a limit of its rate: the requests come as fast as they can."""
    before = request_guard.HTTP_PER_S, request_guard.HTTP_BURST
    request_guard.HTTP_PER_S, request_guard.HTTP_BURST = 1e6, 1_000_000
    try:
        with in_thread(trading(tmp_path_factory.mktemp("api")), "api") as port:
            yield port
    finally:
        request_guard.HTTP_PER_S, request_guard.HTTP_BURST = before


def test_no_request_that_can_be_drawn_gets_an_answer_that_the_document_does_not_name(server: int) -> None:
    import hypothesis
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    wanted = (
        not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
        checks.response_schema_conformance, checks.response_headers_conformance, checks.unsupported_method,
        checks.ignored_auth,
    )  # fmt: skip
    address, headers = f"http://127.0.0.1:{server}", {"Authorization": f"Bearer {TOKEN}"}
    document = schemathesis.openapi.from_url(f"{address}/openapi.json", headers=headers)
    answered = dict[str, int]()
    for found in document.get_all_operations():
        operation = found.ok()
        if operation.path in NOT_DRAWN:
            continue

        def hold(case: Any) -> None:
            response = case.call(headers=headers)
            answered[case.operation.label] = answered.get(case.operation.label, 0) + 1
            case.validate_response(response, checks=list(wanted), headers=headers)

        for mode in GenerationMode:
            if mode.is_negative and not (operation.query or operation.body):
                continue  # there is nothing to get wrong
            quiet = hypothesis.settings(
                max_examples=100, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
            )
            quiet(hypothesis.given(case=operation.as_strategy(generation_mode=mode))(hold))()
    paths = openapi_document()["paths"]
    labels = {f"{method.upper()} {path}" for path in paths for method in paths[path] if path not in NOT_DRAWN}
    assert answered.keys() == labels
    assert sum(answered.values()) > 1_000, answered
