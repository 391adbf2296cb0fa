"""What was refused before the core could hear it: a file that Slack does not give, two definitions at once.

It goes the way of every update all the same (kept, carried out, answered in its turn, audited), so it is said once
however often Slack delivers, and to nobody whom the core does not know. What is carried out for it is a definition that
can be none, with the refusal in its line: that is complained about, and the refusal is said in the complaint's place.
"""

import json
from dataclasses import replace

from bot.cards import Card, Tone
from bot.chat import Answer, Update
from engine.errors import Refused

_WHY, _WHAT_NOW = "refused", "what_now"


def refused(update: Update, refusal: Refused) -> Update:
    """Return the update as one that is answered with the refusal. A quoted text defines nothing, whatever it says."""
    context = {**update.context, _WHY: str(refusal), _WHAT_NOW: refusal.hint}
    return replace(update, line=f"define {json.dumps(str(refusal), ensure_ascii=False)}", context=context)


def remarked(update: Update, answer: Answer) -> Answer:
    """Return the answer, or the refusal in place of the complaints. Whoever is not known hears just that."""
    is_complaint = answer.card.tone is Tone.BAD and bool(answer.card.code)
    if _WHY not in update.context or not is_complaint:
        return answer
    card = Card(update.context[_WHY], Tone.BAD, update.context.get(_WHAT_NOW, ""))
    return Answer(card, private=answer.private)
