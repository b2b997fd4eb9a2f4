"""Messages without what changes from one occurrence of a bug to the next.

Every variable becomes ``*``, whatever its kind: an id may be a number today and a hash tomorrow, and the scrubber
may have put ``[email]`` where another event has a name. What names code (``No module named 'orders'``, an HTTP
status, an error number) is kept, because it tells bugs apart.
"""

from __future__ import annotations

import re

import msgspec

VARIABLE = "*"
_LONGEST = 2_000
"""Characters of a message that are looked at; a longer one is cut before any expression sees it."""
_LONGEST_LINE = 500
_TELLING = 200
"""Of a line longer than the one, so many characters of what is left without variables are kept, because a variable's
length decides where the rest is cut."""
_CACHED = 4_096

# `KeyError`-like quoting of code: the word before the quotes says that a name follows, not a value.
_CODE_NOUN = (
    r"(?:attribute|[mM]odule(?: named)?|import name|keyword argument|positional arguments?:|[cC]olumn|relation|"
    r"[tT]able|constraint|[iI]ndex|[fF]unction|[mM]ethod|class|[pP]roperty|directive|setting|reading"
    r"|evaluating|package|"
    r"for key|operator|[pP]ermission|template|library|command|[eE]nvironment variable|[vV]ariable"
    r"|constant|array key|name)"
)
_QUOTED = (
    r"\"[^\"\n]{0,600}\"|(?<!\w)[bru]?'[^'\n]{0,600}'(?!\w)|`[^`\n]{0,600}`"
    r"|“[^”\n]{0,600}”|«[^»\n]{0,600}»|\u2018[^\u2019\n]{0,600}\u2019"
)
_STATUS = (
    r"(?:[sS]tatus(?:[ _]?[cC]ode)?|HTTP(?:/\d(?:\.\d)?)?(?: [eE]rror)?|Errno|errno|[eE]xit (?:code|status)|"
    r"[eE]rror (?:code|number)|SQLSTATE|React error|signal)(?:[ :=(\[#]| of | is "
    r"| was ){1,3}#?[A-Z]{0,2}\d{1,5}\b"
    r"|\b(?:ORA|TS|CS|NU|MSB|E)-?\d{4,5}\b"
)
_REASON = (
    r"(?<![\w\-])(?:code|errno|error|reason|status|type|exception|method|action|event|stage)=[A-Za-z_]+(?![\w\-.@:/])"
)
_KEPT = rf"{_STATUS}|{_REASON}|\b{_CODE_NOUN}:? (?:'[A-Za-z_][\w.$\-/]*'|\"[A-Za-z_][\w.$\-/]*\"|`[A-Za-z_][\w.$\-/]*`)"

_URL = (
    r"\b[a-zA-Z][a-zA-Z0-9+.\-]{1,20}://(?:[^\s'\"<>)\[\]}|]|\[[\w:.%\-]*\])+|\bdata:[a-z]+/[^\s'\"<>)]+|\bmailto:\S+"
    r"|\barn:aws[^\s'\"]*|\bwww\.[^\s'\"<>)]+"
)
_EMAIL = r"(?<![\w.+%\-])[\w.+%\-]{1,80}@[\w\-]+(?:\.[\w\-]+)+"
_HOST = (
    r"(?<![\w.@/\-])(?:[a-zA-Z0-9_\-]+\.)+(?:com|net|org|io|dev|app|local|internal|localdomain|cloud|svc"
    r"|lan|corp|"
    r"example|test|invalid|edu|gov|co|uk|de|fr|eu|us|ru|cn|jp|nl|ch|at|it|es|se|no|fi|pl|br|in|au|ca"
    r"|info|biz|ai|xyz|"
    r"sh|tech|online|site|shop|store|consul|arpa)(?::\d+)?(?![\w(])(?!\.\w)|\blocalhost(?::\d+)?\b"
)
_PATH = (
    r"(?<![\w*/.])(?:~|\.{1,2})?/(?:[\w.@%+~:,=\-]+/)*[\w.@%+~:=\-]*\w/?(?!\w)(?:\?[^\s'\"<>)]*)?"
    r"|\b[A-Za-z]:[\\/](?:[^\s\\/:*?\"<>|']+[\\/])*[^\s\\/:*?\"<>|']*|\\\\[\w.$\-]+\\[^\s\"'<>|]+"
    r"|(?<![\w/*])[\w.@\-]+(?:/[\w.@%+\-]+){2,}"
)
_DATE = (
    r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? (?=\d|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?,? (?=\d)"
    r"|(?<=\d )(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\b|(?<=\d )(?:UTC|GMT|[AP]M"
    r"|[CEMP][DS]T|CES?T)\b"
)
_JSON = (
    r"\{(?=\s*[\"'}])(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,900}\}){0,900}\}){0,900}\}){0,1900}\}"
    r"|\[(?=\s*[{\"'])(?:[^\[\]]|\[[^\[\]]{0,900}\]){0,1900}\]"
)
_PLACEHOLDER = (
    r"\[(?:[a-z][a-z0-9_\-]{1,24}|Filtered|Redacted|REDACTED|FILTERED|removed)(?::[0-9a-f]{4,64})?\](?::\d+\b)?"
    r"|<redacted>|\*{2,}"
)
_FORMAT = (
    r"%(?:\(\w+\))?[\-+#0]*\d*(?:\.\d+)?[sdifrxXoeEgGcuvTqp@](?![a-z])"
    r"|\$\{[^{}]{0,80}\}|\{\{[^{}]{0,80}\}\}|\{\w*(?:[.!:\[][^{}]{0,40})?\}"
)
_ADDRESS = (
    r"\b(?:[0-9A-Fa-f]{2}[:\-]){5}[0-9A-Fa-f]{2}\b|"
    r"\[(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}\](?::\d+)?"
    r"|(?<![\w:.\]])(?=[0-9a-fA-F:]*\d)(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?:%\w+)?(?![\w:])"
)
_ASSIGNED = r"(?<=[\w)]=)(?!=)[^\s,;&)\]}'\"]+"
_UNIT = (
    r"%|°[CF]|(?:ns|[uµμ]s|ms|(?:milli|micro|nano)?seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?"
    r"|[KMGTkmgt]i?[Bb]|bytes?|USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|[aApP]\.?[mM]|s|m|h|d|x)\b"
)
_WORD = (
    rf"[\-+]?[$€£¥#]?(?<![\w\-])[\w.@$+~%\-]{{0,120}}?\d[\w.@$+~\-]*(?:\s?(?:{_UNIT}))?"
    r"|(?<!\w)(?=[A-Za-z0-9+/_\-]{0,90}[A-Z])(?=[A-Za-z0-9+/_\-]{0,90}[a-z])[A-Za-z0-9+/_]{32,}={0,2}(?!\w)"
    r"|\b[0-9a-fA-F]{8,}\b"
)

_VARIABLES = re.compile(
    rf"(?P<kept>{_KEPT})|{_URL}|{_EMAIL}|{_QUOTED}|{_PLACEHOLDER}|{_FORMAT}|{_ADDRESS}"
    rf"|{_ASSIGNED}|{_HOST}|{_PATH}|{_DATE}|{_WORD}"
)
_STRUCTURE = re.compile(rf"{_JSON}|\{{\s*[\"'][^\n]*$")
_ROW = re.compile(r"\*(?:[^\S\n]*(?:[,;|/x:&+\-]|and|or|to|\.{2,3})?[^\S\n]*\*)+")
_EMPTY = re.compile(r"[\[({<]\s*(?:\*?\s*|(?:\*\s*,\s*)+\.{3})[\])}>]")
# What is glued to a variable belongs to it: `order-*`, `*.pdf`, `*T*`.
_GLUED = re.compile(r"(?:\w[\w@/.\-]*)?\*(?:[\w@/\-]|\.(?=[\w*])|\*)*")
_PLURAL = re.compile(r"(?<=\* )([a-z]{2,}?)(?:(?<=[sxz])es|(?<=[cs]h)es|s|\(s\))(?![\w(])")
# `<Order object at 0x7f…>`, `<User: ann>`: how objects show themselves.
_OBJECT = re.compile(r"<([A-Z][\w.]{0,80}):? [^<>\n]{1,200}>")
_SPACE = re.compile(r"\s+")
_SQL_TAIL = re.compile(
    r"\s*(?:\[parameters: .*|\(Background on this error at: .*|DETAIL:\s.*|HINT:\s.*|CONTEXT:\s.*"
    r"|\bwith (?:params|parameters|bindings) .*)",
    re.DOTALL,
)
_UNCAUGHT = re.compile(
    r"^(?:Uncaught(?: \(in promise\))?:? ?(?:exception: )?|Unhandled(?: promise)? rejection:? ?)", re.IGNORECASE
)
_SAID_BY_KEY = ("message", "msg", "error", "event", "code", "type", "title", "detail", "reason")


def _replace(found: re.Match[str]) -> str:
    kept = found["kept"]
    return VARIABLE if kept is None else kept


def first_lines(text: str) -> str:
    """Return the part of a message that says what happened: its first line, and the next if that is only a heading."""
    lines = [line for line in (raw.strip() for raw in text[:_LONGEST].splitlines()) if line]
    if not lines:
        return ""
    first = lines[0]
    if len(lines) > 1 and (first.endswith(":") or len(first.split()) < 3):
        return f"{first} {lines[1]}"
    return first


def _of_json(text: str) -> str | None:
    """Return a message that is a JSON object as its keys and what its message-like keys say; ``None`` if it is not."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    said = [f"{key}={_normalise(str(found[key]))}" for key in _SAID_BY_KEY if isinstance(found.get(key), str)]
    return "json " + ",".join(sorted(str(key) for key in found)) + "".join(f" {part}" for part in said)


def _normalise(text: str) -> str:
    long = len(text) > _LONGEST_LINE
    if "<" in text:
        text = _OBJECT.sub(r"<\1 *>", text)
    text = _VARIABLES.sub(_replace, text[:_LONGEST_LINE])
    text = _GLUED.sub(VARIABLE, _EMPTY.sub(VARIABLE, text))
    for _ in range(2):
        text = _EMPTY.sub(VARIABLE, _ROW.sub(VARIABLE, text))
    text = _SPACE.sub(" ", _PLURAL.sub(r"\1", text)).strip().rstrip(" .:;,!")
    return text[:_TELLING] if long else text


class Messages:
    """Normalises messages, and remembers the last few thousand: a bug repeats itself word for word."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def normal(self, raw: str) -> str:
        """Return a message without its variables; empty only for an empty one."""
        known = self._known.get(raw)
        if known is None:
            known = normal_message(raw)
            if len(self._known) >= _CACHED:
                self._known.clear()
            if len(raw) <= _LONGEST:
                self._known[raw] = known
        return known


def normal_message(raw: str) -> str:
    """Return ``order 4711 of ann@example.com not found in 3 ms`` as ``order * of * not found in *``."""
    text = raw[:_LONGEST].strip()
    if text.startswith("{"):
        of_json = _of_json(text) if len(raw) <= _LONGEST else None
        if of_json is not None:
            return of_json
    text = _UNCAUGHT.sub("", text)
    text = _SQL_TAIL.sub("", text)
    if "{" in text or "[" in text:
        # Before lines are looked at, because JSON may be spread over many.
        text = _STRUCTURE.sub(VARIABLE, text)
    return _normalise(first_lines(text))
