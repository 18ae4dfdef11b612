"""The value that says whose knowledge a call may see."""

from __future__ import annotations

import pytest

from retrieval.scope import EVERYTHING, Scope


def test_a_scope_contains_what_it_was_made_of() -> None:
    assert [name in Scope.of("a", "b") for name in ("a", "b", "c", "")] == [True, True, False, False]
    assert [name in EVERYTHING for name in ("a", "", "main")] == [True, True, True]
    assert [name in Scope.of() for name in ("a", "main")] == [False, False]


@pytest.mark.parametrize(
    ("scope", "collection", "narrowed"),
    [
        (EVERYTHING, None, EVERYTHING),
        (EVERYTHING, "a", Scope.of("a")),
        (Scope.of("a", "b"), None, Scope.of("a", "b")),
        (Scope.of("a", "b"), "a", Scope.of("a")),
        (Scope.of("a", "b"), "c", Scope.of()),
        (Scope.of(), "a", Scope.of()),
    ],
)
def test_a_scope_can_be_narrowed_and_never_widened(scope: Scope, collection: str | None, narrowed: Scope) -> None:
    assert scope.only(collection) == narrowed


@pytest.mark.parametrize(
    ("scope", "default"),
    [
        (EVERYTHING, "main"),
        (Scope.of("main", "a"), "main"),
        (Scope.of("b", "a"), "a"),
        (Scope.of("sales"), "sales"),
        (Scope.of(), "main"),
    ],
)
def test_what_is_added_without_a_name_goes_to_the_scope_s_own_collection(scope: Scope, default: str) -> None:
    assert scope.default == default
