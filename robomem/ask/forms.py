"""The forms of a question: a table of patterns, the first that fits decides.

A pattern is a regular expression for a whole question in lower case, from which the span of time,
the coordinates and the limit were taken. `{thing}` is what is asked about; the other names in
braces are the groups of words in WORDS. `(|...)` is optional, and taken wherever it can be.
"""

import re

from robomem.types import QueryKind

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
}

_PATTERNS: tuple[tuple[QueryKind, str], ...] = (
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
    (QueryKind.SEEN, r"what (|has |have |had )(happened|occurred) (to|with) {thing}"),
    (
        QueryKind.SEEN,
        r"(what|what else|anything) (|has |have |had |did |was |is )(happen|happened|occurred|going on|went on|up)",
    ),
    (QueryKind.SEEN, r"(did|has|have) {any} (happen|happened|occurred?)"),
    (
        QueryKind.SEEN,
        r"what (|else |objects? |things? |items? |all )({did} {who} |{who} |{is} |have been |has been )(|last |been ){see}",
    ),
    (QueryKind.SEEN, r"what {did} {who} do"),
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
)

_OPTIONAL = re.compile(r"\(\|((?:[^()]|\([^()]*\))*)\)")


def _compiled(pattern: str) -> re.Pattern[str]:
    greedy = _OPTIONAL.sub(r"(?:\1)?", pattern)
    return re.compile(greedy.format_map(WORDS))


FORMS = tuple((kind, _compiled(pattern)) for kind, pattern in _PATTERNS)
