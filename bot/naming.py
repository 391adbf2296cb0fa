"""Names that people give: groups and templates are called as pipelines are. Pure."""

from pydantic import TypeAdapter, ValidationError

from engine.errors import Refused
from engine.fields import Name
from engine.section import Mistake

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def a_name(said: str) -> str:
    """Return what was said, if it is a name. Refused, with what to write, if it is none."""
    try:
        return _NAME.validate_python(said)
    except ValidationError as error:
        mistake = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(mistake, Mistake):
            raise Refused(f"{said!r} {mistake.problem}.", f"Write {mistake.instead}.") from error
        raise Refused(f"{said!r} is no name.", "Write small letters, digits and dashes.") from error
