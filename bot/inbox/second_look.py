"""What a dangerous button does is shown before it is done: the second tap is an ordinary button, no dialog of a phone.

Nothing has to be remembered for it: the second button carries what the first one was made for (run, stage attempt,
fingerprint), so a stale one is recognised when it is pressed, like any other.
"""

from bot.cards import Button, Card, Field, Tone
from bot.chat import Answer
from bot.forms import RejectForm
from bot.grammar import BY_NAME, asks_by_itself


def needs_second_look(line: str, *, danger: bool) -> bool:
    """Whether what the button does is shown first."""
    return danger and not asks_by_itself(line)


def second_look(line: str) -> Answer:
    """Ask, with what will happen and a button that does it."""
    words = line.split()
    verb, title, text, fields = _of(words)
    buttons = (Button(verb, line, primary=True), Button("Leave it", "press leave"))
    form = RejectForm(words[2], line) if words[:2] == ["press", "reject"] else None
    return Answer(Card(title, Tone.ASKING, text, fields=fields, buttons=buttons), private=True, form=form)


def _of(words: list[str]) -> tuple[str, str, str, tuple[Field, ...]]:
    """The button's text, the title, what will happen, and how to say more."""
    match words:
        case ["press", "reject", run, *_]:
            more = (Field("With a reason", f"reject {run} WHY"),)
            return "Reject", f"Reject {run}?", "The new version does not go to everybody.", more
        case ["press", "stop", run, *_] | ["stop", run, *_]:
            more = (Field("With a reason", f"stop {run} WHY"),)
            return "Stop", f"Stop {run}?", "The run ends, and what it placed is taken back.", more
        case ["press", "split", run, _, _, _, _, percent]:
            text = f"{percent} % of the plain requests get the new version."
            return f"Gray {percent} %", f"Give gray {percent} % in {run}?", text, ()
        case ["retry", run]:
            text = "What failed is tried again; a run that is back at its start begins anew."
            return "Retry", f"Retry {run}?", text, ()
        case _:
            verb, *about = words[words[0] == "press" :]
            does = BY_NAME[verb].does
            return verb.capitalize(), f"{' '.join((verb.capitalize(), *about[:1]))}?", f"To {does}.", ()
