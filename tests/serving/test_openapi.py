"""Whatever the OpenAPI document allows, and much that it forbids, gets an answer that the document describes."""

import pytest
import schemathesis
from _world import running, world
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.serving.store import open_database
from harmonium.serving.store.keys import KeyRing

EXAMPLES = 6  # an operation and mode: ten seconds a kind of model
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("kind", ["ratings", "choices"])
def test_no_request_makes_a_server_error_and_every_answer_is_as_documented(model, tmp_path, kind):
    if kind == "choices":
        model = tmp_path / "choices.harmonium"
        ratings, titles = world()
        ChoiceRecommender.fit(ratings.interactions(at_least=3.5), titles, validation=0.3).save(model)
    store = f"sqlite:///{tmp_path / 'store.db'}"
    database = open_database(store)
    key = KeyRing(database).create("schemathesis")
    database.close()
    with running(model, store) as service:
        document = schemathesis.openapi.from_url(f"{service.address}/openapi.json")
        tried = [
            ask(found.ok(), mode, {"Authorization": f"Bearer {key}"})
            for found in document.get_all_operations()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        ]
        assert not [line for line in service.lines if "unexpected error" in line]
    assert len(set(tried)) > 30


def ask(operation: schemathesis.APIOperation, mode: GenerationMode, headers: dict[str, str]) -> str:
    """Send made-up requests and check the answers."""
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.path_parameters):
        return operation.label  # there is nothing to get wrong

    @BOUNDED
    @given(operation.as_strategy(generation_mode=mode))
    def send(case):
        case.call_and_validate(headers=headers, checks=CHECKS)

    send()
    return operation.label
