"""The forms of sentences, as patterns with the names of what stands where: the first one that fits decides.

Groups: `subject`, `object`; `relation`, `placed`, `had` or `state` where the words say which relation; `my`, where the
subject is the speaker's; `denied`; and `vague` or `usual`, which make a sentence unfit to be learned from.
"""

import re
from dataclasses import dataclass

from robomem.sentences.words import COLOURS, MOVED, NO_NAME, PLACED, STATE, either

CALLED, IS, IS_A, AT = "is called", "is", "is a", "is at"
HAS_COLOUR, KEPT, MY_NAME = "has colour", "is kept in", "my name"
RULES = ("must never", "must always")


@dataclass(frozen=True, slots=True)
class Form:
    """A form of sentence.

    Attributes:
        pattern: Of the whole sentence, in any case.
        relation: What it says, None where a group says it.
        is_plain: It says so outright, of now, and whose place it is; what is not plain is judged, and not learned.
        is_denied: It says that it is not so.
        is_change: It says that it was made so.
    """

    pattern: re.Pattern[str]
    relation: str | None
    is_plain: bool
    is_denied: bool = False
    is_change: bool = False


_VERBS = "belongs? to|owns?|likes?|loves?|hates?|dislikes?|needs?|uses?|contains?|lives? in|works? (?:in|at)"
_ACTIONS = (
    "enter|go|put|leave|touch|move|open|close|shut|take|give|drive|use|wake|pick|bring|throw|let|turn|clean|stop|follow"
    "|drop|feed|tell|talk|speak|knock|vacuum|lock|unlock|block|switch|carry|charge|return|wait|keep|wash|water|come"
)
_X, _Y = "(?P<subject>.+?)", "(?P<object>.+)"
_AT = rf"(?:(?:located|lying|standing|sitting|stored|left|parked|hanging) )?(?P<placed>kept in|{PLACED}|by(?= the\b))"
_WHERE = rf"{_AT} {_Y}"
_IS = (
    r"(?: is| are| am|'s| lies?| stands?| sits?|(?P<vague> was| were| has been| have been| stays?))"
)
_OF_LATE = r"(?: now| back| still| currently| right| just| actually| really| in fact| also)*"
_BE = rf"{_IS}{_OF_LATE}"
_NOT = "(?P<denied> not| no longer)?"
_THIS = "(?:this|that)(?: thing| one)?"
_HAD = "(?P<had>favou?rite [a-z]{1,30}(?: [a-z]{1,30})?|birthday|address|phone number|age|job)"
_WHO = rf"(?:i|we|he|she|they|someone|somebody|(?!{NO_NAME.pattern})[\w']+|the \w+)(?: have| has| had|'ve)?(?: just| already)*"
_WAY = r"(?: over| back| away| out| off| down| up)*(?: from (?:the |my )?[\w'-]+(?: [\w'-]+)?)?"
_TO = rf"(?:to|{PLACED}) {_Y}"
_NONE = "there (?:is|are|was|were) (?:no|not any|no longer any?|no more)"
_GONE = "(?:gone|missing|lost|no longer there|not there|not here|thrown away|removed|sold|not in the house|nowhere)"
_SWITCHED = rf"{_WHO} (?:switched|turned)"
_PLAIN: tuple[tuple[str, str | None], ...] = (
    (rf"(?:my name is|i am called|call me) {_Y}", MY_NAME),
    (rf"{_THIS} (?:is|are) (?:also )?called (?:an? )?{_Y}", IS_A),
    (rf"(?:we|i|people) call {_THIS} (?:an? )?{_Y}", IS_A),
    (rf"{_X} (?:is|are|am) (?:now |also )?(?:called|known as|named|referred to as) {_Y}", CALLED),
    (rf"(?P<my>my) {_HAD} is{_NOT} {_Y}", None),
    (rf"{_X}'s? {_HAD} is{_NOT} {_Y}", None),
    (rf"{_X}{_BE}{_NOT} allergic to {_Y}", "is allergic to"),
    (rf"(?:the )?(?:colou?r) of {_X} is{_NOT} {_Y}", HAS_COLOUR),
    (rf"(?:you must )?never (?P<object>(?:{_ACTIONS}) .+)", "must never"),
    (rf"(?:you must )?always (?P<object>(?:{_ACTIONS}) .+)", "must always"),
)
_SEEN = (
    rf"(?:i|we) (?:have )?(?:just )?(?:saw|see|seen|spotted|noticed|found|keep|store) {_X} {_WHERE}"
)
_NAMED = (
    rf"(?:we|people|they|everyone|everybody|i) (?:now |always )?(?:calls?|names?|refers? to) (?:the |my |our )?{_X}"
    rf" (?:as )?(?:(?:the|a|my) )?(?P<object>[\w'\"-]+(?: [\w'\"-]+)?)"
)
_MEANT = rf"(?:when|if) {_WHO} (?:says?|asks? for) \"?(?P<object>[\w' -]+?)\"?,? (?:i|we|they|he|she) means? (?P<subject>.+)"
FORMS = (
    *(Form(re.compile(p, re.IGNORECASE), relation, is_plain=True) for p, relation in _PLAIN),
    *(
        Form(re.compile(p, re.IGNORECASE), relation, is_plain, is_denied, is_change)
        for p, relation, is_plain, is_denied, is_change in (
            (_NAMED, CALLED, False, False, False),
            (_MEANT, CALLED, False, False, False),
            (rf"{_NONE} {_X}(?: left)? {_WHERE}", None, False, True, False),
            (rf"{_NONE} {_X}(?: left| here| anywhere)*", AT, False, True, False),
            (rf"{_X}{_BE} {_GONE}(?: from {_Y})?", AT, False, True, False),
            (rf"{_X}{_BE}(?P<usual> always| usually)?{_NOT} {_WHERE}", None, True, False, False),
            (rf"{_WHO} (?:threw|thrown|gave|sold|discarded) (?:away |out )?{_X}(?: away| out)?", AT, False, True, True),
            (rf"(?:i|we) (?:have )?(?:just )?(?:put|left|placed|stored) {_X} {_WHERE}", None, True, False, True),
            (rf"{_WHO} (?:{either(MOVED)}) {_X}{_WAY} {_TO}", AT, False, False, True),
            (rf"{_X}(?: was| were| is| are| has been| have been| got)(?: just| now)* (?:{either(MOVED)}){_WAY} {_TO}", AT, False, False, True),
            (rf"there (?:is|are|was|were) {_X} {_WHERE}", None, False, False, False),
            (rf"{_X} can be found {_WHERE}", None, True, False, False),
            (rf"you (?:(?:can|will) )?find {_X} {_WHERE}", None, True, False, False),
            (_SEEN, None, False, False, False),
            (rf"(?P<placed>{PLACED}) (?P<object>.+?),? (?:there (?:is|are)|you(?: will| can|'ll)? (?:find|see)) (?P<subject>.+)", None, False, False, False),
            (rf"look for {_X} {_WHERE}", None, False, False, False),
            (rf"{_SWITCHED} (?P<state>on|off) (?P<subject>.+)", IS, False, False, True),
            (rf"{_SWITCHED} {_X} (?P<state>on|off)", IS, False, False, True),
            (rf"{_X}{_BE}{_NOT}(?: switched| turned| completely| totally| left)* (?P<state>{STATE})", IS, False, False, False),
            (rf"{_X} (?:goes|go|belongs?) (?:in|into|inside|on|under) {_Y}", KEPT, False, False, False),
            (rf"{_X} (?:is|are){_NOT} the owner of {_Y}", "owns", True, False, False),
            (rf"{_X} (?:is|are){_NOT} owned by {_Y}", "belongs to", True, False, False),
            (rf"{_X} (?:is|are){_NOT} (?P<object>[\w-]+)'s?", "belongs to", True, False, False),
            (rf"{_X} (?:is|are){_NOT} (?P<object>{COLOURS})", HAS_COLOUR, True, False, False),
            (rf"{_X} (?:is|are|am){_NOT} an? {_Y}", IS_A, True, False, False),
            (rf"{_X} (?P<denied>does not|do not|no longer) (?P<relation>{_VERBS}) {_Y}", None, True, False, False),
            (rf"{_X} (?P<relation>{_VERBS}) {_Y}", None, True, False, False),
        )
    ),
)  # fmt: skip
