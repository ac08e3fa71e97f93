from collections.abc import Iterator

from app.contract.errors import DarkroomError


def all_errors(root: type[DarkroomError] = DarkroomError) -> Iterator[type[DarkroomError]]:
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)


def test_every_error_has_a_code_of_its_own_and_says_when_it_is_raised() -> None:
    errors = list(all_errors())

    assert len({error.code for error in errors}) == len(errors)
    assert [error for error in errors if not (error.__doc__ or "").startswith("Raised when")] == []
