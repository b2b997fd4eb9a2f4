"""People are counted by a keyed hash, and cannot be found out by it."""

from __future__ import annotations

import pytest

from pipeline.payload.identity import user_hash
from schemas.event import User

KEY = b"a key"


def test_nobody_is_zero() -> None:
    for user in (None, User(), User(id=""), User(ip_address="{{auto}}"), User(email="")):
        assert user_hash(user, "shop", KEY) == 0


def test_the_same_person_has_the_same_hash_in_one_project_only() -> None:
    user = User(id="7", email="jane@example.org")
    assert user_hash(user, "shop", KEY) == user_hash(User(id="7"), "shop", KEY)
    assert user_hash(user, "shop", KEY) != user_hash(user, "other", KEY)
    assert user_hash(user, "shop", KEY) != user_hash(user, "shop", b"another key")
    assert 0 < user_hash(user, "shop", KEY) < 2**64


def test_an_id_is_the_same_as_a_number_and_as_text() -> None:
    assert user_hash(User(id=7), "shop", KEY) == user_hash(User(id="7"), "shop", KEY)
    assert user_hash(User(id=0), "shop", KEY) != 0


def test_without_an_id_the_address_the_name_or_the_ip_counts() -> None:
    users = [User(email="x"), User(username="x"), User(ip_address="x"), User(id="x")]
    assert len({user_hash(user, "shop", KEY) for user in users}) == 4


@pytest.mark.parametrize(
    "user", [User(email="a@b.c"), User(username="jane"), User(ip_address="1.2.3.4"), User(id="a@b.c")]
)
def test_without_a_key_nobody_is_hashed_who_could_be_guessed(user: User) -> None:
    assert user_hash(user, "shop", b"") == 0
    assert user_hash(user, "shop", KEY) != 0


def test_without_a_key_an_id_counts() -> None:
    assert user_hash(User(id="7"), "shop", b"") != 0


def test_a_key_of_any_length_is_taken() -> None:
    assert user_hash(User(id="7"), "shop", b"k" * 1000) != 0
