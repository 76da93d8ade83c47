"""The forms of a question: tables of patterns, the first that fits decides.

A pattern is a regular expression for a whole question in lower case, from which the span of time,
the coordinates, rooms and the limit were taken. `{thing}` is what is asked about; the other names in
braces are the groups of words in WORDS. `(|...)` is optional, and taken wherever
it can be; ` || ` stands between two patterns.
"""

import re
from dataclasses import dataclass

from robomem.query import Measure, QueryKind, Relation

WORDS = {
    "who": "(?:i|you|we|the robot|it|they|anyone|anybody|someone|somebody)",
    "see": "(?:see|saw|seen|notice|noticed|spot|spotted|observe|observed|find|found|perceived?|detect|detected)",
    "put": "(?:leave|left|put|keep|kept|store|stored|place|placed|lose|lost|drop|dropped|forget|forgot)",
    "is": "(?:is|are|was|were|lies|lie|stands|stand)",
    "did": "(?:did|do|does|have|has|had|can|could)",
    "any": "(?:anything|something|everything|things?|objects?|items?|stuff|what|all things|all objects)",
    "near": "(?:(?:located |standing |lying )?(?:near to|nearby|near|close to|next to|around|beside|besides"
    "|by|at|adjacent to|surrounding|not far from|in the vicinity of|in the neighbou?rhood of))",
    "been": "(?:been|gone|go|went|come|came|drive|driven|pass|passed|visit|visited|arrive|arrived)",
    "told": "(?:told|hear|heard|learn|learned|learnt|taught|informed)",
    "about": "(?:about|of|on|regarding|concerning)",
    "change": "(?:changed?|moved?|appear|appeared|disappear|disappeared|vanish|vanished|removed|added"
    "|new|missing|gone|different|displaced|moved around|moved away|rearranged)",
    "thing": r"(?P<thing>.+?)",
    "speaker": r"(?P<speaker>.+?)",
    "words": r"(?P<words>.+?)",
    "like": r"(?P<like>(?:to|for|that|which|(?:i|we|you) can) .+)",
    "times": "(?:how many times|how often)",
    "away": "(?:missing|gone|lost|away|absent)",
    "did_or_is": "(?:did|do|does|have|has|had|is|are|was|were|can|could)",
    "own": "(?:owns?|has|likes?|uses?|used|made|bought|brought|gave|wants?|needs?|made)",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One way to ask; `relation` is how things stand to the one asked about, `needs_place` where it must be narrowed to one."""

    kind: QueryKind
    pattern: re.Pattern[str]
    measure: Measure | None = None
    is_negated: bool = False
    relation: Relation | None = None
    needs_place: bool = False


# Questions for a number of times or a time span, and those with a "not", are told apart first.
_MEASURES: tuple[tuple[Measure, QueryKind, str], ...] = (
    (
        Measure.DURATION,
        QueryKind.GONE,
        r"(|for |since )(how long|when) (was|were|is|are|has|have|had) {thing} (|been ){away}",
    ),
    (
        Measure.DURATION,
        QueryKind.VISITED,
        (
            r"(|for )(how long|how much time) {did_or_is} {who}(| last)(| been| stay| stayed| spend| spent| remain| remained| stop)"
            r"(| there| here)(| {near} {thing})"
        ),
    ),
    (
        Measure.DURATION,
        QueryKind.WHERE,
        r"(|for )how long (did|does|has|have|had) {thing} (been|lain|stood|stay|stayed|lie|stand|remain)(| there| here)",
    ),
    (Measure.TIMES, QueryKind.SEEN, r"{times} {did_or_is} {who} {see} {thing}"),
    (Measure.TIMES, QueryKind.SEEN, r"{times} {did_or_is} {thing}(| been) {see}"),
    (
        Measure.TIMES,
        QueryKind.CHANGES,
        r"{times} {did_or_is} {thing} (|been )({change}|change|move)",
    ),
    (Measure.TIMES, QueryKind.TOLD, r"{times} {did_or_is} {who}(| been) {told}(| {about} {words})"),
    (Measure.TIMES, QueryKind.HAPPENED, r"{times} did {any} happen(| about {words})"),
    (Measure.TIMES, QueryKind.HAPPENED, r"{times} did {words} (happen|occur|take place)"),
    (Measure.TIMES, QueryKind.DONE, r"{times} did {who} do {any}(| about {words})"),
    (
        Measure.TIMES,
        QueryKind.VISITED,
        r"{times} {did_or_is} {who}(| been| come| go| gone)(| there| here)(| {near} {thing})",
    ),
    (
        Measure.TIMES,
        QueryKind.VISITED,
        r"{times} {did_or_is} {who} (visit|visited|pass|passed) {thing}",
    ),
    (Measure.TIMES, QueryKind.ROOMS, r"how many rooms (have|contain) {thing}"),
    (
        Measure.TIMES,
        QueryKind.ROOMS,
        r"how many rooms(| (are|is) there| (do|did) {who} (know|see|find|visit))",
    ),
)
_NEGATIONS: tuple[tuple[QueryKind, str], ...] = (
    (
        QueryKind.ROOMS,
        r"(which|what) rooms? (|do not |does not )(has|have|contains?|had) (no|not any) {thing}",
    ),
    (QueryKind.ROOMS, r"(which|what) rooms? (do not|does not|did not) (have|contain) {thing}"),
    (QueryKind.ROOMS, r"(which|what) rooms? (is|are) without {thing}"),
    (QueryKind.ROOMS, r"in (which|what) rooms? {is} there no {thing}"),
    (
        QueryKind.SEEN,
        r"(what|which)(| else| things?| objects?) (was|were|has|have|had) not (|been ){see}",
    ),
    (QueryKind.SEEN, r"(what|which)(| else| things?| objects?) {did} {who} not {see}"),
    (QueryKind.SEEN, r"which {thing} (was|were|has|have|had) not (|been ){see}"),
    (QueryKind.SEEN, r"which {thing} {did} {who} not {see}"),
    (QueryKind.EXISTS, r"{is} there (no|not any|not a) {thing}"),
    (
        QueryKind.EXISTS,
        r"{is} {thing} (not|no longer|not any more|not anymore) (there|here|present)",
    ),
)
_PLACED: tuple[tuple[Relation, str], ...] = (
    (
        Relation.ON,
        r"(what|which)(| else| things?| objects?) {is}(| there)(| lying| standing) (on|on top of) {thing}",
    ),
    (
        Relation.IN,
        r"(what|which)(| else| things?| objects?) {is}(| there)(| kept| stored) (in|inside) {thing}",
    ),
)
_PATTERNS: tuple[tuple[QueryKind, str], ...] = (
    # is X still there; who told me; when did X go missing; which rooms; what did you do
    (QueryKind.EXISTS, r"{is} {thing} still(| (there|here|around|present|in place))"),
    (
        QueryKind.EXISTS,
        r"{is} (there still|still there) {thing} || (do|did) {who} still (have|see) {thing}",
    ),
    (
        QueryKind.TELLER,
        r"who (told|informed|taught|said|mentioned|spoke|talked)(| to)(| {who}| me| us)(| {any}| it| that)(| {about} {words})",
    ),
    (QueryKind.TELLER, r"who mentioned {words}"),
    (QueryKind.TELLER, r"(who|whom) did {who} hear(| it| that| {any})(| {about} {words}) from"),
    (
        QueryKind.GONE,
        r"when (did|was|were|has|have|had) {thing} (go |been |first |noticed )*({away}|disappear|disappeared|vanish|vanished)",
    ),
    (QueryKind.GONE, r"{is} {thing} {away}"),
    (QueryKind.GONE, r"(which|what) (things|objects|ones) {is} {away}"),
    (QueryKind.ROOM, r"(|in )(which|what) room ({is}|am) {who}(| in) || where am i"),
    (QueryKind.ROOM, r"(|in )(which|what) room {is} {thing}(| in)"),
    (
        QueryKind.ROOMS,
        r"(|which |what |list |show )(|me )(|the |all |all the )rooms(| {is} there| (do|did) {who} (know|see|find))",
    ),
    (QueryKind.ROOMS, r"(which|what) rooms? (has|have|had|contains?|with) {thing}"),
    (QueryKind.ROOMS, r"in (which|what) rooms? {is} (there )?{thing}"),
    (QueryKind.DONE, r"what {did} {who} (do|done)(| {about} {words})"),
    (QueryKind.DONE, r"what (have|has|had) {who} done(| {about} {words})"),
    # where is something to drink from
    (
        QueryKind.WHERE,
        r"(where {is} |where can {who} (find|get) |find |find me |show me |{is} there |i need )(something|anything) {like}",
    ),
    # what happened
    (QueryKind.HAPPENED, r"what (|has |have |had )(happened|occurred) to {thing}"),
    (
        QueryKind.HAPPENED,
        r"(what|what else|anything) (|has |have |had |did |was |is )(happen|happened|occurred|going on|went on|up)(| about {words})",
    ),
    (QueryKind.HAPPENED, r"(did|has|have) {any} (happen|happened|occurred?)(| about {words})"),
    (QueryKind.HAPPENED, r"when did {words} (happen|occur|take place)"),
    # when did you last see X
    (QueryKind.WHEN, r"when {did} {who} (|last |first ){see} {thing}(| last)"),
    (QueryKind.WHEN, r"when {is} {thing}(| last)(| been) {see}(| last)"),
    (QueryKind.WHEN, r"when (has|have|had) {thing}(| last) been(| last) {see}(| last)"),
    (QueryKind.WHEN, r"when {who} (|last ){see} {thing}(| last)"),
    (
        QueryKind.WHEN,
        r"(|when {is} )(|the )last time (|that )({who} )(|{did} )(|last ){see} {thing}",
    ),
    (QueryKind.WHEN, r"(|when {is} )(|the )last sighting of {thing}"),
    # when were you last near X; where were you
    (
        QueryKind.VISITED,
        r"when (is|were|was|are|have|had|did) {who} (|last |been |last been )(in|inside|{near}) {thing}(| last)",
    ),
    (QueryKind.VISITED, r"when (were|was|are|have|had|did) {who}(| last)(| {been})(| there| here)"),
    (
        QueryKind.VISITED,
        r"when (were|was|have|had|did) {who}(| last)(| {been})(| in| inside| to| past| through| {near}) {thing}(| last)",
    ),
    (
        QueryKind.VISITED,
        r"(|when {is} )(|the )last time {who} (were|was|{been})(| in| to| past| {near})(| {thing})",
    ),
    (
        QueryKind.VISITED,
        r"(were|was|have|had|did) {who} (|last )(|{been} )(in|inside|to|past|{near})(| {thing})",
    ),
    (QueryKind.VISITED, r"(did|have|had|has) {who}(| last) {been}(| {thing})"),
    (QueryKind.VISITED, r"(|when {is} )(|the )last visit(| (to|of) {thing})"),
    (QueryKind.VISITED, r"where (were|was|are|have|had|did) {who}(| last)(| {been})"),
    # how many X
    (QueryKind.COUNT, r"(how many(| of)|count(| of)|(|what is )(|the )(number|count) of) {thing}"),
    # what did you see
    (QueryKind.SEEN, r"which sightings (|{is} there )of {thing}"),
    (
        QueryKind.SEEN,
        r"what (|else |objects? |things? |items? |all )({did} {who} |{who} |{is} |have been |has been )(|last |been ){see}",
    ),
    (QueryKind.SEEN, r"{did} {who} {see} {any}(| else| there)"),
    (QueryKind.SEEN, r"(show |list )(|everything |all )(|what |that ){who} {see}"),
    # what is near X
    (
        QueryKind.NEAR,
        r"(what|which)(| else| objects?| things?| items?| all) (|{is} )(|there )(|{see} )({near}|near|within) {thing}",
    ),
    (
        QueryKind.NEAR,
        r"(what|which)(| else| objects?| things?| items?) {is}(| there)|{is} there {any}",
    ),
    (
        QueryKind.NEAR,
        r"(what|which)(| else| objects?| things?| items?) {did} {who} (|last ){see} {near} {thing}",
    ),
    (QueryKind.NEAR, r"{is} there {any}(| else) {near} {thing}"),
    (QueryKind.NEAR, r"{did} {who} {see} {any}(| else) {near} {thing}"),
    (QueryKind.NEAR, r"(|list |show |find |all )(|{any} |what {is} ){near} {thing}"),
    (QueryKind.NEAR, r"(what|which objects|which things) (surrounds?|surrounded) {thing}"),
    # what changed
    (
        QueryKind.CHANGES,
        r"what(| else| all)(| things?| objects?) (|{is} |has |have |had |did )(|been ){change}",
    ),
    (
        QueryKind.CHANGES,
        r"what (changed|has changed|is different|is new) (about|with|for|to) {thing}",
    ),
    (QueryKind.CHANGES, r"({is}|did|has|have|had) {any} (|else )(|been ){change}"),
    (
        QueryKind.CHANGES,
        r"({is} there |what {is} |what |list |show )(|the |all |any )changes?(| {did} {who} {see}| {is} there| occurred| happened)",
    ),
    (
        QueryKind.CHANGES,
        r"(any changes|{any} (new|missing|changed|different|moved)|{is} there {any} (new|different|missing))",
    ),
    (
        QueryKind.CHANGES,
        r"(did|has|have|had|{is}) {thing} (|been )(change|changed|move|moved|disappear|disappeared|vanish|vanished|removed|rearranged)",
    ),
    # what was I told about X
    (
        QueryKind.TOLD,
        r"what ({is}|did|have|has|had) {who} (|been )(|last ){told}(| {about} {thing})",
    ),
    (
        QueryKind.TOLD,
        r"({is}|did|have|has|had) {who} (|been |ever )(|{any} )?{told}(| {any})(| {about} {thing})",
    ),
    (QueryKind.TOLD, r"what (do|did|does) {who} (know|remember|recall)(| {about} {thing})"),
    (
        QueryKind.TOLD,
        r"(what|which) (|{is} |has |have )(|been )(said|mentioned)(| {about} {thing})",
    ),
    (
        QueryKind.TOLD,
        r"(what|{any}) (did|has|have|had) {speaker} (say|said|tell|told|mention|mentioned)(| to)(| {who}| me| us)(| {about} {thing})",
    ),
    (
        QueryKind.TOLD,
        r"(did|has|have) {speaker} (say|said|tell|told)(| {who}| me| us) {any}(| {about} {thing})",
    ),
    (QueryKind.TOLD, r"(did|has|have) {who} mention(|ed) {thing}"),
    (QueryKind.TOLD, r"tell (me|us) (|what {who} know |everything |anything )about {thing}"),
    # where is X
    (
        QueryKind.WHERE,
        r"where (did|have|has|had) {who} (|last |first )({see}|{put}) {thing}(| last)",
    ),
    (QueryKind.WHERE, r"where (can|could|do|may|might|will|would) {who} (|last ){see} {thing}"),
    (QueryKind.WHERE, r"where {who} (|last )({see}|{put}) {thing}(| last)"),
    (QueryKind.WHERE, r"where {is}(| the) last time (|that ){who} {see} {thing}"),
    (QueryKind.WHERE, r"where ({is}|has|have|had|did) {thing}"),
    (QueryKind.WHERE, r"where {thing} {is}(| located| kept)"),
    (QueryKind.WHERE, r"{did} {who} (|last ){see} {thing}(| anywhere| around| somewhere)"),
    (QueryKind.WHERE, r"{is} there {thing}(| anywhere| around| somewhere)"),
    (
        QueryKind.WHERE,
        r"(find me|show me|find|locate|show|search for|look for|looking for|search|look up|seek|have {who} got) {thing}",
    ),
    (
        QueryKind.WHERE,
        r"i (am )?(looking for|lost|cannot find|can not find|search|misplaced) {thing}",
    ),
    (
        QueryKind.WHERE,
        r"(|what {is} )(|the )(last |last known )?(position|location|place|whereabouts|coordinates) of {thing}",
    ),
    (QueryKind.WHERE, r"where {thing}"),
    # when was anna last cooking
    (
        QueryKind.HAPPENED,
        r"when (was|were|is|has|have|had|did) {speaker} (|been )last (?P<words>(?!been|see|near|at |in )\S.*)",
    ),
    # who owns X, what is a dax
    (QueryKind.FACT, r"which facts {is} there(| {about} {thing})"),
    (
        QueryKind.FACT,
        r"who (?P<words>{own}) {thing} || whose {is} {thing} || whose {thing} {is} (this|that|it) || who(|m) (does|do|did) {thing} (?P<words>belong to)",
    ),
    (QueryKind.FACT, r"what does {thing} (?P<words>own|like|use|want|need|have)"),
    (QueryKind.FACT, r"what {is} an? {thing} || who {is} {thing} || what does {thing} mean"),
)

_OPTIONAL = re.compile(r"\(\|((?:[^()]|\([^()]*\))*)\)")


def _compiled(patterns: str) -> list[re.Pattern[str]]:
    return [
        re.compile(_OPTIONAL.sub(r"(?:\1)?", pattern).format_map(WORDS))
        for pattern in patterns.split(" || ")
    ]


FORMS = (
    *(
        Form(kind, pattern, measure=measure)
        for measure, kind, patterns in _MEASURES
        for pattern in _compiled(patterns)
    ),
    *(
        Form(kind, pattern, is_negated=True)
        for kind, patterns in _NEGATIONS
        for pattern in _compiled(patterns)
    ),
    *(
        Form(QueryKind.WHERE, pattern, relation=relation)
        for relation, patterns in _PLACED
        for pattern in _compiled(patterns)
    ),
    *(Form(kind, pattern) for kind, patterns in _PATTERNS for pattern in _compiled(patterns)),
    *(
        Form(QueryKind.WHERE, pattern, measure=Measure.DURATION, needs_place=True)
        for pattern in _compiled("(|for )how long {did_or_is} {thing}(| there| here)")
    ),
    *(
        Form(QueryKind.EXISTS, pattern, needs_place=True)
        for pattern in _compiled("{is} {thing} || (has|have) {thing} been")
    ),
)
