"""What the scan looks for: one expression a candidate, matched over the raw JSON bytes.

A candidate is cheap and generous: it only says "look here". It must not depend on what stands before it as a word
boundary does, because in raw JSON ``\\n`` puts an ``n`` there; the exact checks read the flat form and decide.
Expressions end at a fixed distance from what they found, so that one occurrence is reported once or a few times,
however long the text around it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.scrub import kinds
from pipeline.scrub.keys import FOREIGN_PASSWORDS
from pipeline.scrub.kinds import BODY, VARIABLES

UNICODE = "unicode"
"""The finder of escapes that hide text from the scan; the text is then made canonical and scanned again."""

NUMBERS = frozenset(
    ("number", "card", "imei", "ssn", "international", "national", "trunk", "mobile", "ipv4", "ipv6", "mac", "iban")
)
"""The finders of numbers. What their expressions match has to be in the runs of ``_number_runs.c``."""

_S = "[_.\\- ]?"
_KEY_WORDS = (
    "passw", "passphrase", "passcode", "kennwort", "pwd", "pass", "secret", "token", "auth", "credential", "creds",
    "bearer", "jwt", "cookie", "csrf", "xsrf", "cvv", "cvc", "ssn", "otp", "card", "signature", "imei", "iban",
    "passport",
    f"api{_S}keys?", f"(?:access|private|account|secret|encryption|signing|master|shared|ssh){_S}keys?",
    f"(?:subscription|licen[sc]e|functions?|consumer|service|session){_S}keys?", f"sess(?:ion)?{_S}(?:id)?",
    f"cc{_S}num", f"security{_S}(?:code|answer)", f"social{_S}security", f"drivers?{_S}license", f"tax{_S}id",
    f"(?:mfa|(?:verific|confirm)ation|recovery|backup|pin){_S}codes?",
    f"(?:bank|account|routing){_S}(?:account|number)",
    f"(?:seed|mnemonic){_S}phrase", "mnemonic", "aspxauth", "rootpw", "senha", "contrase", "wachtwoord", f"de{_S}passe",
    f"(?:time|2fa|access|unlock){_S}code", "verifier", f"client{_S}assertion", f"saml{_S}(?:response|assertion)",
    f"sso{_S}ticket", f"oidc{_S}data", f"(?:hmac|app|stripe|sendgrid|mailgun|openai|admin){_S}key",
)  # fmt: skip
_SHORT_KEY_WORDS = (
    "(?:[^a-zA-Z]|\\\\[nrt]|%[0-9a-fA-F]{2})(?i:pin|sid|sig|pan|pw|otp|auth)|[a-z0-9](?:Pin|Sid|Sig|Pan|Pw|Otp)"
)
_ENTITY = "&(?:amp;)?(?:quot|apos|#0?3[49]|#x2[27]);"
"""A quote in HTML."""
_KEY_TAIL = (
    "(?:[\\w\\-. \\]\\[\\x02]|%5[bd]){0,24}"
    f"(?:(?:\\\\{{0,7}}[\"']|%22|%27|{_ENTITY})\\]?\\s{{0,3}}(?:[:=]|->|;s:\\d|%3[aAdD])|\\s{{0,3}}(?:[:=>]|%3[aAdD])|&gt;)"
)
_BESIDE_TAIL = "[\\w\\-. \\]\\[]{0,24}\\\\{0,7}[\"']\\s{0,3}[,}]"

_FOREIGN_TAIL = "[\\w\\-. \\]\\[\\x80-\\xff]{0,32}(?:(?:\\\\{0,7}[\"'])?\\]?\\s{0,3}(?:[:=]|\uff1a)|\\s{0,3}->)"
_FOREIGN_WORDS = sorted({form for word in FOREIGN_PASSWORDS for form in (word, word.capitalize(), word.upper())})


def _escaped(word: str, backslash: str) -> str:
    """Return the expression of a word in JSON that is all ASCII, or in such JSON inside a string."""
    return "".join(letter if letter.isascii() else f"{backslash}u{ord(letter):04x}" for letter in word)


_LOOSE_DIGITS = r"\d[ \-]?\d[ \-]?\d[ \-]?\d"


class Candidate(NamedTuple):
    """One expression of the scan.

    ``finder`` names the exact check; ``kinds`` are those it can find (it is left out when a policy wants none of
    them). With ``once`` the scan reports the first occurrence only.
    """

    finder: str
    expression: str
    kinds: tuple[str, ...]
    caseless: bool = True
    once: bool = False


def key_expression(key: str) -> str:
    """Return the expression of a candidate for one more key, in whatever case and with whatever separators."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+", key)
    return "[_.\\- ]?".join(map(re.escape, words)) + _KEY_TAIL


_KEY_KINDS = (
    kinds.PASSWORD, kinds.TOKEN, kinds.SECRET, kinds.SESSION, kinds.COOKIE, kinds.CARD, kinds.SSN, kinds.PRIVATE_KEY,
    kinds.IMEI, kinds.IBAN,
)  # fmt: skip

CANDIDATES: tuple[Candidate, ...] = (
    Candidate("field", f"(?:{'|'.join(_KEY_WORDS)}){_KEY_TAIL}", _KEY_KINDS),
    Candidate("field", f"(?:{_SHORT_KEY_WORDS}){_KEY_TAIL}", _KEY_KINDS, caseless=False),
    Candidate("field", f"(?:{'|'.join(_FOREIGN_WORDS)}){_FOREIGN_TAIL}", (kinds.PASSWORD,)),
    Candidate("beside", f"(?:{'|'.join(_KEY_WORDS)}){_BESIDE_TAIL}", _KEY_KINDS),
    Candidate("beside", f"(?:{_SHORT_KEY_WORDS}){_BESIDE_TAIL}", _KEY_KINDS, caseless=False),
    Candidate(
        "option",
        r"--?(?:\w[\w\-]{0,20})?(?:passw|pwd|secret|token|api-?key|auth|credential|user)[\w\-]{0,16}[ ]{1,2}[^\s\-]"
        r"|-u [^\s:\"]{1,40}:",
        _KEY_KINDS,
    ),
    Candidate(
        "spoken",
        r"(?:identified[ ]{1,2}by|password|passwd)[ ]{1,2}(?:(?:is|was|(?:set|changed|reset) to)[ ]{1,2})?"
        r"\\{0,3}['\"][^\s:=,}\]\"]",
        (kinds.PASSWORD,),
    ),
    Candidate(
        "spoken",
        r"password[ ]{1,2}(?:for \w{1,32} )?(?:(?:is|was|(?:set|changed|reset) to)[ ]{1,2})?"
        r"[\w!@#$%^&*]{0,24}[0-9!@#$%^&*]",
        (kinds.PASSWORD,),
    ),
    Candidate(
        "spoken",
        r"(?:code|otp|pin)(?: for [\w ]{1,32})? (?:is|was)[ :]{1,3}(?:[a-z]-)?[a-z]{0,8}\d|\d (?:is|as) (?:your|the) "
        r"|(?:ation|2fa|mfa|otp|security|login|sms) (?:pass)?code #?\d|(?:otp|passcode) #?(?:\\{0,3}['\"])?\d{3}"
        r"|(?:enter|use|type|submit) (?:the |this |your )?code:? #?\d|your [\w. ]{1,64}code: ?[a-z]{0,8}\d",
        (kinds.PASSWORD,),
    ),
    Candidate(
        "spoken",
        r"sess(?:ion)?[_\- ]?id (?:is |was |of )?[(<]?(?:\\{0,3}['\"])?[\w\-]{8}",
        (kinds.SESSION,),
    ),
    Candidate(
        "spoken",
        r"(?:ssn|social security (?:number|no\.?|#))(?: is| was| no\.?| number| of)?[ :#]{1,3}\d{3}[.\- ]?\d\d",
        (kinds.SSN,),
    ),
    Candidate(
        "spoken",
        r"(?:PASS|AUTH(?:ENTICATE)?(?:\\{1,7}\")?) [^\s:\"]|[A-Za-z]\d{1,6} LOGIN [^\s]|334 UGFzc3dvcmQ6",
        (kinds.PASSWORD,),
        caseless=False,
    ),
    Candidate(
        "spoken",
        r"(?:token \\{0,3}['\"]|(?:api[_ \-]?key|client secret)(?: provided| is| was| given)?:? (?:\\{0,3}['\"])?)"
        r"[\w\-.~+/=]{12}",
        (kinds.TOKEN,),
    ),
    Candidate("field", r"\{:?\w{0,16}(?:password|passwd|secret|token|api_key),", _KEY_KINDS),
    Candidate(
        "option",
        r"(?:ENV|ARG|setx?) [A-Z_]{0,24}(?:PASSWORD|SECRET|TOKEN|KEY)[A-Z_]{0,8} [^\s=\"]",
        _KEY_KINDS,
        caseless=False,
    ),
    Candidate(
        "called",
        r"(?:passw(?:or)?d|passphrase|secret|token|(?:api|secret|access|private)_?key)\(\\{0,7}[\"'][^\s\"'\\)]",
        _KEY_KINDS,
    ),
    Candidate(
        "email", r"(?:[^\s(,:;<>\[/@\"]|\\\")@\x02{0,32}(?:[a-z\x80-\xff\[]|\d[\w\-]{0,20}\.?[a-z])", (kinds.EMAIL,)
    ),
    Candidate("email", r"&(?:#0?64|#x0?40|commat);(?:[a-z\x80-\xff\[]|\d[\w\-]{0,20}\.?[a-z])", (kinds.EMAIL,)),
    Candidate("email", r"%40(?:[a-z\x80-\xff\[]|\d[\w\-]{0,20}\.?[a-z])", (kinds.EMAIL,)),
    Candidate("inserted", r"\)(?:\s|\\{1,4}[nrt]|\+|%20){0,4}values", _KEY_KINDS),
    Candidate("url", r"(?://|%2f)[^/\s\"@]{0,200}(?::|%3a)[^/\s\"]{0,200}(?:@|%40)", (kinds.PASSWORD,)),
    Candidate(
        "source_name",
        r"@(?:tcp|udp|unix)\(|(?:oracle:thin:|sqlplus )[^\s@\"]{3,130}@",
        (kinds.PASSWORD,),
        caseless=False,
    ),
    Candidate(
        "client_option",
        r"(?:mysql(?:dump|admin|import|show)?|mariadb(?:-dump)?|redis-cli|sshpass"
        r"|(?:docker|podman|nerdctl|registry) login) -|net use (?:[A-Za-z*]:? )?\\"
        r"|requirepass |masterauth |ldap(?:search|modify|add|delete|passwd|whoami) -|[^a-z]zip (?:-\w{1,3} ){0,3}-P "
        r"|net user [\w.\-]{1,24} [^\s\"/]{1,32} /",
        (kinds.PASSWORD,),
        caseless=False,
    ),
    Candidate(
        "part",
        r"(?:name|key)=\\{1,7}\"[\w.\-\[\]]{1,64}\\{1,7}\"(?:(?:\\{1,7}[rn]){2}|(?: |\]\[)(?:value|content)=)",
        _KEY_KINDS,
        caseless=False,
    ),
    Candidate(
        "part", r"name=&(?:quot|#34);[\w.\-\[\]]{1,64}&(?:quot|#34); (?:value|content)=", _KEY_KINDS, caseless=False
    ),
    Candidate("element", r"</key>(?:\s|\\{1,4}[rnt]){0,16}<string>", _KEY_KINDS, caseless=False),
    Candidate("element", r"</(?:\w{1,16}:)?\w{0,16}(?i:passw|pwd|secret|token)", _KEY_KINDS, caseless=False),
    Candidate("invalid_input", r", input_value=", _KEY_KINDS, caseless=False),
    Candidate("number", r"\d{13}", (kinds.CARD, kinds.IMEI)),
    Candidate("card", r"\d{4}[ .+\-]\d{4,6}[ .+\-]\d{4}", (kinds.CARD,)),
    Candidate("card", r"\d{4}(?:%20|\xc2\xa0)\d{4,6}(?:%20|\xc2\xa0)\d{4}|\d{6}[ \-]\d{7}", (kinds.CARD,)),
    Candidate("card", rf"(?:{_LOOSE_DIGITS}[ \-]){{3}}\d", (kinds.CARD,)),
    Candidate("imei", r"\d{2}[ \-/]\d{6}[ \-/]\d{6}[ \-/]\d", (kinds.IMEI,)),
    Candidate("ssn", r"\d{3}[- ]\d{2}[- ]\d{4}", (kinds.SSN,)),
    Candidate("international", r"(?:\+|%2b)[1-9(](?:[\d \-.()/]|%20|\xc2\xa0){7}", (kinds.PHONE,)),
    Candidate("international", r"[^\d]00[1-9][\d \-.()/]{8}", (kinds.PHONE,)),
    Candidate("national", r"\d{3}[)\-. ] ?\d{3}[-. ]\d{4}", (kinds.PHONE,)),
    Candidate("trunk", r"[^\d.]0\d{1,4}(?:\) ?|[\-/ .]| / )\d{2,4}[\d \-/.]{5}", (kinds.PHONE,)),
    Candidate("mobile", r"[^\w.\-]0(?:7\d{9}|1[5-7]\d{8}|[67]\d{8}|4\d{8})", (kinds.PHONE,)),
    Candidate("mobile", r"\\[nrt]0(?:7\d{9}|1[5-7]\d{8}|[67]\d{8}|4\d{8})", (kinds.PHONE,)),
    Candidate(
        "named",
        r"(?:phone|mobile|handy|telefon|whatsapp|msisdn|call|called|(?:tel|fax|cell|sms|ph)[^a-z])"
        r"[\w .:=#\"'\\\[({+\],]{0,20}\d{2}[\d \-.()/]{4}\d",
        (kinds.PHONE,),
    ),
    Candidate("named", r"wa\.me/\+?\d{7}", (kinds.PHONE,)),
    Candidate(
        "named",
        r"(?:phone|mobile|telefon|whatsapp|msisdn|tel|fax|cell)[\w.\-]{0,16}\":\s?\{\"(?:type|unit)\":\s?\"[\w.]{1,24}\","
        r"\s?\"value\":\s?\"[+(]?\d",
        (kinds.PHONE,),
    ),
    Candidate("ipv4", r"\d\.\d{1,3}\.(?:[1-9]\d{0,2}\.\d|0\.[1-9])", (kinds.IP,)),
    Candidate("ipv6", r"[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){1,6}::", (kinds.IP,)),
    Candidate("ipv6", r":[0-9a-f]{1,4}:[0-9a-f]{1,4}:[0-9a-f]{1,4}:[0-9a-f]{1,4}:", (kinds.IP, kinds.MAC)),
    Candidate("ipv6", r"(?:[23][0-9a-f]{3}|fe[89ab][0-9a-f]|f[cd][0-9a-f]{2}|ff[0-9a-f]{2})::", (kinds.IP,)),
    Candidate("ipv6", r"::ffff:[0-9a-f]|64:ff9b::", (kinds.IP,)),
    Candidate("ipv6", r"[0-9a-f]{1,4}%3a(?:[0-9a-f]{0,4}%3a){2}", (kinds.IP, kinds.MAC)),
    Candidate("mac", r"[0-9a-f]{2}(?:-[0-9a-f]{2}){5}", (kinds.MAC,)),
    Candidate("mac", r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}", (kinds.MAC,)),
    Candidate("iban", r"[a-z]{2}\d\d(?:[a-z0-9]{4}\d{7}| [a-z0-9]{4} [a-z0-9]{4}|-[a-z0-9]{4}-\d{4})", (kinds.IBAN,)),
    Candidate("iban", r"(?:kz|ro)\d\d[a-z0-9]{12}", (kinds.IBAN,)),
    Candidate("jwt", r"eyJ[\w\-]{8}", (kinds.TOKEN,), caseless=False),
    Candidate(
        "authorization",
        r"(?:bearer|basic|negotiate|apikey|token)(?:\s|%20|\+|\\[nt]){1,3}[\w\-./+=]{6}",
        (kinds.TOKEN,),
    ),
    Candidate(
        "vendor",
        r"A[KSBCIR](?:IA|CA|DA|OA)[A-Z2-7]{16}|AIza[\w\-]{35}|ya29\.[\w\-]{20}|GOCSPX-|1//0[\w\-]{30}"
        r"|gh[pousr]_[A-Za-z0-9]{30}"
        r"|github_pat_\w{20}|gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct|sbt)-[\w\-]{16}|GR1348941"
        r"|xox[abceoprs][\-.]|xapp-\d|hooks\.slack\.com/"
        r"|[srp]k_(?:live|test)_|whsec_|npm_[A-Za-z0-9]{30}|pypi-AgE|rubygems_[0-9a-f]{40}|dckr_[a-z]{3}_"
        r"|oy2[a-z0-9]{43}|sk-[\w\-]{16}"
        r"|gsk_\w{30}|xai-\w{30}|r8_\w{30}|hf_\w{30}|tvly-|pplx-|SG\.[\w\-]{16}|xkeysib-|key-[0-9a-f]{32}"
        r"|[0-9a-f]{32}-us\d|(?:SK|AC)[0-9a-f]{32}"
        r"|[78]Q~[\w.~\-]{31}|do[opr]_v1_|dapi[0-9a-f]{32}|hv[sb]\.[\w\-]{20}|\.atlasv1\.|shp(?:at|ss|ca"
        r"|pa)_[0-9a-fA-F]{32}|sq0[a-z]{3}-"
        r"|EAA[A-Za-z0-9][\w\-]{60}|lin_api_|ntn_[A-Za-z0-9]{40}|secret_[A-Za-z0-9]{43}|figd_|AT[AC]TT3|PMAK-"
        r"|sntry[su]_|NRAK-|NR[IJ][IS]-|gl(?:sa|c)_[\w\-]{30}"
        r"|rzp_(?:live|test)_|pscale_|sbp_[0-9a-f]{40}|nfp_\w{36}|dp\.(?:pt|st|ct|sa|scim|audit)\.|HRKU-"
        r"|AGE-SECRET-KEY-1|ph[cx]_[A-Za-z0-9]{30}"
        r"|EZ[AT]K[A-Za-z0-9]{54}|access-(?:sandbox|development|production)-|sl\.[\w\-]{60}"
        r"|fo1_[\w\-]{40}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|ATBB[A-Za-z0-9]{28}|oauth:[a-z0-9]{30}|duffel_(?:live|test)_"
        r"|cio[A-Za-z0-9]{32}|CLOJARS_|pul-[0-9a-f]{40}|pnu_[a-z0-9]{36}|shippo_(?:live|test)_|lsv2_[ps][tk]_"
        r"|aio_[A-Za-z0-9]{28}|dt0[a-z]\d\d\.|tk-us-[\w\-]{40}|rdme_|tfp_[\w\-]{40}|AQVN[\w\-]{35}|LTAI[A-Za-z0-9]{16}"
        r"|AKID[A-Za-z0-9]{32}|\$production\$|\$sandbox\$|fio-u-|CFPAT-|sha256~[\w\-]{43}|SSWS 00"
        r"|sk\.eyJ|/webhookb2/|FLWSECK|(?:live|test)_[0-9a-f]{35}|hooks\.zapier\.com/|sdk-[0-9a-f]{8}-|sgp_[\w]{40}"
        r"|bku[ai]_[0-9a-f]{40}|CCIPAT_|AKCp[A-Za-z0-9]{60}|1/\d{16}:[0-9a-f]{32}|v1\.0-[0-9a-f]{24}-"
        r"|s-s4t2(?:ud|af)-"
        r"|[MNO][\w\-]{23,25}\.[\w\-]{6}\.[\w\-]{27}|\d{8}:AA[\w\-]{33}"
        r"|discord(?:app)?\.com/api/webhooks/",
        (kinds.TOKEN,),
        caseless=False,
    ),
    Candidate(
        "private_key", r"-----(?:BEGIN|END)(?: |%20|\+)[A-Z0-9 +%]{0,36}PRIVATE", (kinds.PRIVATE_KEY,), caseless=False
    ),
    Candidate("private_key", r"Private-Lines: \d", (kinds.PRIVATE_KEY,), caseless=False),
    Candidate("home", r"\\(?:home|homes|profiles)\$?\\{2,8}[^/\\\"\s]", (kinds.USER,)),
    Candidate(
        "home",
        r"(?:/home/|/Users/|(?:Users|users|Documents and Settings)(?:\\\\|/)+)[^/\\\"\s]",
        (kinds.USER,),
        caseless=False,
    ),
    Candidate(UNICODE, r"[^\\](?:\\\\)*\\(?:u00[2-7][0-9a-f]|/)", kinds.KINDS, once=True),
    Candidate(
        UNICODE,
        r"\\u[0-9a-f]{4}[\w.+\-]{0,64}@|@[\w.\-]{0,64}\\u[0-9a-f]{4}|\d\\u[0-9a-f]{4}\d",
        kinds.KINDS,
        once=True,
    ),
    Candidate(UNICODE, "|".join(_escaped(word, r"\\") for word in _FOREIGN_WORDS), (kinds.PASSWORD,), once=True),
    Candidate("escaped", "|".join(_escaped(word, r"\\{2,16}") for word in _FOREIGN_WORDS), (kinds.PASSWORD,)),
    Candidate("escaped", r"[\d+]\\{2,16}xa0[\d(]", kinds.KINDS),
    Candidate("escaped", r"\\\\u00[2-7]|%25(?:40|3[ad]|22|2b)", kinds.KINDS),
    Candidate(
        "escaped",
        r"\\u[0-9a-f]{4}[\w.+\-]{0,64}@|@[\w.\-]{0,64}\\{2,16}u[0-9a-f]{4}|[\d+]\\{2,16}u(?:00a0|20[01][0-9a-f]|202f)[\d(]",
        kinds.KINDS,
    ),
    Candidate(VARIABLES, r'"vars"\s*:\s*[{\[]', (kinds.VARIABLES,), caseless=False),
    Candidate(BODY, r'"data"\s*:\s*[^\s]', (kinds.BODY,), caseless=False),
    Candidate("uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", (kinds.UUID,)),
)
