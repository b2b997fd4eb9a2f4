"""Check digits and number ranges: what tells a payment card, an IBAN, an IMEI or an SSN from any other number.

All functions take the digits (or letters and digits) alone, without separators, as ASCII bytes.
"""

from __future__ import annotations

from typing import Final

_LUHN_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))

_CARD_RANGES: Final[tuple[tuple[int, int, frozenset[int]], ...]] = tuple(
    (low, high, frozenset(lengths))
    for low, high, lengths in (
        (2014, 2014, (15,)),  # Diners Club enRoute
        (2149, 2149, (15,)),  # Diners Club enRoute
        (2131, 2131, (15,)),  # JCB, old range
        (1800, 1800, (15,)),  # JCB, old range
        (2200, 2204, (16, 17, 18, 19)),  # Mir
        (2205, 2205, (16,)),  # BORICA
        (2221, 2720, (16,)),  # Mastercard
        (300, 305, (14, 16, 17, 18, 19)),  # Diners Club
        (3095, 3095, (14, 16, 17, 18, 19)),  # Diners Club
        (34, 34, (15,)),  # American Express
        (37, 37, (15,)),  # American Express
        (353, 353, (16,)),  # RuPay and JCB
        (356, 356, (16,)),  # RuPay and JCB
        (3528, 3589, (16, 17, 18, 19)),  # JCB
        (36, 36, (14, 15, 16, 17, 18, 19)),  # Diners Club
        (38, 39, (14, 16, 17, 18, 19)),  # Diners Club
        (4, 4, (13, 16, 19)),  # Visa, Visa Electron, Dankort
        (5018, 5018, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
        (5019, 5019, (16,)),  # Dankort
        (502, 502, (16,)),  # Maestro
        (503, 504, (16, 19)),  # Maestro
        (5060, 5061, (16, 18, 19)),  # Verve
        (5078, 5079, (16, 18, 19)),  # Verve
        (508, 508, (16,)),  # RuPay
        (509, 509, (16,)),  # Elo
        (51, 55, (16,)),  # Mastercard
        (56, 58, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
        (6011, 6011, (16, 17, 18, 19)),  # Discover
        (60, 60, (16,)),  # RuPay, Hipercard
        (62, 62, (16, 17, 18, 19)),  # UnionPay
        (6304, 6304, (13, 14, 15, 16, 17, 18, 19)),  # Maestro, Laser
        (636, 636, (16, 17, 18, 19)),  # InterPayment
        (637, 639, (13, 14, 15, 16, 17, 18, 19)),  # InstaPayment, Maestro
        (6334, 6334, (16, 18, 19)),  # Solo
        (644, 649, (16, 17, 18, 19)),  # Discover
        (65, 65, (16, 17, 18, 19)),  # Discover, RuPay, Troy, Elo, Verve
        (67, 67, (16, 17, 18, 19)),  # Maestro, Laser
        (6759, 6759, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
        (676, 676, (13, 14, 15, 16, 17, 18, 19)),  # Maestro, Solo
        (81, 82, (16,)),  # RuPay
        (8600, 8600, (16,)),  # Uzcard
        (9792, 9792, (16,)),  # Troy
        (9860, 9860, (16,)),  # Humo
    )
)
"""Issuer ranges by leading digits, and their lengths. Source: ISO/IEC 7812 registrations as listed by the card
networks and at https://en.wikipedia.org/wiki/Payment_card_number."""


def _lengths_by_prefix() -> dict[bytes, frozenset[int]]:
    found: dict[bytes, frozenset[int]] = {}
    for low, high, lengths in _CARD_RANGES:
        rest = 4 - len(str(low))
        for prefix in range(low * 10**rest, (high + 1) * 10**rest):
            key = str(prefix).encode()
            found[key] = found.get(key, lengths) | lengths
    return found


CARD_LENGTHS: Final = _lengths_by_prefix()
"""The lengths of cards by their first four digits; what is not in it begins no card."""

_NO_LENGTHS: Final[frozenset[int]] = frozenset()

IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
"""Length of an IBAN by country. Source: SWIFT's IBAN registry (ISO 13616)."""

_IBAN_VALUES: Final = {byte: str(int(chr(byte), 36)) for byte in b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

_IMEI_REPORTING_BODIES: Final = frozenset(b"01 10 30 33 35 44 45 49 50 51 52 53 54 86 91 98 99".split())
"""First two digits of an IMEI: the body that allocated it. Source: GSMA TS.06 and TS.30."""


def luhn(digits: bytes) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1, annex B)."""
    single = digits[-1::-2]
    return (sum(digits[-2::-2].translate(_LUHN_DOUBLED)) + sum(single) - 48 * len(single)) % 10 == 0


def is_card(digits: bytes) -> bool:
    """Whether the digits are a payment card's: a known issuer range, its length, and the Luhn check."""
    return len(digits) in CARD_LENGTHS.get(digits[:4], _NO_LENGTHS) and luhn(digits)


def is_imei(digits: bytes) -> bool:
    """Whether 15 digits are an IMEI's: a known reporting body and the Luhn check."""
    return len(digits) == 15 and digits[:2] in _IMEI_REPORTING_BODIES and luhn(digits) and digits.count(digits[:1]) < 15


def is_ssn(digits: bytes) -> bool:
    """Whether nine digits can be a US social security number or an ITIN.

    Area 000 and 666, group 00 and serial 0000 are never assigned (https://www.ssa.gov/employer/randomization.html);
    areas from 900 on are ITINs, whose group is 50-65, 70-88, 90-92 or 94-99 (https://www.irs.gov/irm/part3).
    """
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in (b"000", b"666") or group == b"00" or serial == b"0000":
        return False
    return area < b"900" or b"50" <= group <= b"99"


def is_iban(text: bytes) -> bool:
    """Whether letters and digits are an IBAN's: the country's length and the ISO 7064 mod 97-10 check."""
    upper = text.upper()
    if IBAN_LENGTHS.get(upper[:2].decode("ascii", "replace")) != len(upper):
        return False
    rearranged = upper[4:] + upper[:4]
    return int("".join([_IBAN_VALUES[byte] for byte in rearranged])) % 97 == 1
