"""What people give names and addresses: spelled as in definitions, and refused with what to write. Pure."""

from pydantic import TypeAdapter, ValidationError

from engine.definition import EmailAddress, PhoneNumber
from engine.errors import Refused
from engine.fields import FreeName, Name
from engine.section import Mistake

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_PERSON: TypeAdapter[str] = TypeAdapter(FreeName)
_EMAIL: TypeAdapter[str] = TypeAdapter(EmailAddress)
_PHONE: TypeAdapter[str] = TypeAdapter(PhoneNumber)


def a_name(said: str) -> str:
    """Return what was said, if it is a name: groups and templates are called as pipelines are."""
    return _spelled(_NAME, said)


def a_person(said: str) -> str:
    """Return what was said, if a person can be called so."""
    return _spelled(_PERSON, said)


def an_email(said: str) -> str:
    """Return what was said, if it is one e-mail address, or nothing."""
    return said and _spelled(_EMAIL, said)


def a_phone(said: str) -> str:
    """Return what was said, if it is a phone number, or nothing."""
    return said and _spelled(_PHONE, said)


def _spelled(kind: TypeAdapter[str], said: str) -> str:
    try:
        return kind.validate_python(said)
    except ValidationError as error:
        mistake = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(mistake, Mistake):
            raise Refused(f"{mistake.problem}.", f"Write {mistake.instead}.") from error
        raise Refused(f"{said!r} is no name.", "Write small letters, digits and dashes.") from error
