"""Problems name the field of the request that they are about."""

from http import HTTPStatus
from typing import Annotated

import msgspec
import pytest

from engines.base.problem import Problem, from_validation


class Leg(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    size: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Order(msgspec.Struct):
    legs: list[Leg]
    tags: dict[str, int] = {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[1]", "body"),
        (b"{}", "legs"),
        (b'{"legs":3}', "legs"),
        (b'{"legs":[{"symbol":"A"},{}]}', "legs[1].symbol"),
        (b'{"legs":[{"symbol":7}]}', "legs[0].symbol"),
        (b'{"legs":[{"symbol":"A","size":-1}]}', "legs[0].size"),
        (b'{"legs":[{"symbol":"A","size":1e400}]}', "legs[0].size"),
        (b'{"legs":[{"symbol":"A","weight":1}]}', "legs[0].weight"),
        (b'{"legs":[],"tags":{"a":"b"}}', "tags[...]"),
    ],
)
def test_the_field_of_a_validation_error(body: bytes, field: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Order)
    problem = from_validation(caught.value)
    assert (problem.status, problem.field) == (HTTPStatus.UNPROCESSABLE_ENTITY, field)
    assert "$" not in problem.detail


def test_the_body_has_the_members_of_rfc_9457() -> None:
    body = Problem(HTTPStatus.NOT_FOUND, "no portfolio 'x'", "portfolio_id").body()
    assert body == (
        b'{"type":"about:blank","title":"Not Found","status":404,"detail":"no portfolio \'x\'","field":"portfolio_id"}'
    )
    assert b"field" not in Problem(HTTPStatus.NOT_FOUND, "nothing here").body()
