"""The hosts with their sites, the grades and the specialties that placements are drawn from.

The names and codes of hosts and sites are public. How many placements a host has and how punctual it is are invented.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

ORGANISATIONS_FILE = Path(__file__).parent.parent / "organisations.yaml"
LEAD_EMPLOYER = "RBN"
NATIONAL_BODY = "X24"  # NHS England
EXACTLY_NINETY = "RXL"  # every measure of this host's punctuality comes out at exactly 90 %


@dataclass(frozen=True)
class Site:
    """Where the work is done. ``other_spelling`` is how a careless edit writes the location."""

    code: str
    name: str
    location: str
    other_spelling: str


@dataclass(frozen=True)
class Host:
    """An organisation that runs placements. ``punctuality`` is the share of its documents that it issues in time."""

    code: str
    placements: int
    punctuality: float
    sites: tuple[Site, ...]
    specialties: tuple[str, ...] = ()  # empty: all of them
    has_rotas_contact: bool = True

    @property
    def is_practice(self) -> bool:
        """A GP practice rather than a trust."""
        return kind_of(self.code) == "gp-practice"

    @property
    def is_general(self) -> bool:
        """Takes trainees of any specialty."""
        return not self.specialties


def _site(code: str, name: str, location: str, county: str) -> Site:
    return Site(code, name, location, f"{location}, {county}")


def _practice(code: str, placements: int, punctuality: float, site: Site, *, has_rotas_contact: bool = True) -> Host:
    return Host(code, placements, punctuality, (site,), ("General Practice",), has_rotas_contact)


MANCHESTER, MERSEYSIDE, LANCASHIRE, CHESHIRE = "Greater Manchester", "Merseyside", "Lancashire", "Cheshire"

HOSTS = (
    Host(
        "R0A",
        84,
        0.975,
        (
            _site("R0A02", "Manchester Royal Infirmary", "Manchester", MANCHESTER),
            _site("R0A66", "North Manchester General Hospital", "Manchester", MANCHESTER),
        ),
    ),
    Host(
        "RM3",
        62,
        0.96,
        (
            _site("RM301", "Salford Royal", "Salford", MANCHESTER),
            _site("RM317", "Royal Oldham Hospital", "Oldham", MANCHESTER),
        ),
    ),
    Host(
        "RBN",
        54,
        0.985,
        (
            _site("RBN01", "Whiston Hospital", "Prescot", MERSEYSIDE),
            _site("RBN02", "St Helens Hospital", "St Helens", MERSEYSIDE),
        ),
    ),
    Host("REM", 52, 0.985, (_site("REM21", "Aintree University Hospital", "Liverpool", MERSEYSIDE),)),
    Host(
        "RXN",
        48,
        0.99,
        (
            _site("RXN02", "Royal Preston Hospital", "Preston", LANCASHIRE),
            _site("RXN01", "Chorley and South Ribble Hospital", "Chorley", LANCASHIRE),
        ),
    ),
    Host(EXACTLY_NINETY, 40, 0.90, (_site("RXL01", "Blackpool Victoria Hospital", "Blackpool", LANCASHIRE),)),
    Host(
        "RXR",
        40,
        0.95,
        (
            _site("RXR20", "Royal Blackburn Hospital", "Blackburn", LANCASHIRE),
            _site("RXR10", "Burnley General Hospital", "Burnley", LANCASHIRE),
        ),
    ),
    Host("RBL", 32, 0.98, (_site("RBL14", "Arrowe Park Hospital", "Wirral", MERSEYSIDE),)),
    Host(
        "RTX",
        30,
        0.68,
        (
            _site("RTX02", "Royal Lancaster Infirmary", "Lancaster", LANCASHIRE),
            _site("RTXBU", "Furness General Hospital", "Barrow-in-Furness", "Cumbria"),
        ),
    ),
    Host("RMC", 30, 0.98, (_site("RMC01", "Royal Bolton Hospital", "Bolton", MANCHESTER),)),
    Host(
        "RBS",
        28,
        1.0,
        (_site("RBS25", "Alder Hey Children's Hospital", "Liverpool", MERSEYSIDE),),
        ("Paediatrics", "Paediatric Surgery"),
    ),
    Host("RJR", 26, 0.95, (_site("RJR05", "Countess of Chester Hospital", "Chester", CHESHIRE),)),
    Host("RWW", 26, 0.985, (_site("RWWWH", "Warrington Hospital", "Warrington", CHESHIRE),)),
    Host("RRF", 24, 0.76, (_site("RRF02", "Royal Albert Edward Infirmary", "Wigan", MANCHESTER),)),
    Host("RWJ", 22, 0.98, (_site("RWJ09", "Stepping Hill Hospital", "Stockport", MANCHESTER),)),
    Host("RMP", 18, 0.97, (_site("RMP01", "Tameside General Hospital", "Ashton-under-Lyne", MANCHESTER),)),
    Host(
        "REP",
        16,
        0.97,
        (_site("REP01", "Liverpool Women's Hospital", "Liverpool", MERSEYSIDE),),
        ("Obstetrics and Gynaecology",),
    ),
    Host("RBT", 12, 0.98, (_site("RBT20", "Leighton Hospital", "Crewe", CHESHIRE),)),
    _practice("P81002", 6, 0.97, _site("P81002", "Lancaster Medical Practice", "Lancaster", LANCASHIRE)),
    _practice("N82026", 5, 0.97, _site("N82026", "Penny Lane Surgery", "Liverpool", MERSEYSIDE)),
    _practice("P84017", 5, 0.90, _site("P84017", "Ladybarn Group Practice", "Manchester", MANCHESTER)),
    _practice("P81006", 4, 0.97, _site("P81006", "Garstang Medical Practice", "Garstang", LANCASHIRE)),
    _practice("P88006", 3, 0.85, _site("P88006", "Marple Cottage Surgery", "Stockport", MANCHESTER)),
    _practice(
        "N85002",
        3,
        0.80,
        _site("N85002", "Marine Lake Medical Practice", "West Kirby", MERSEYSIDE),
        has_rotas_contact=False,
    ),
)
HOSTS_BY_CODE = {host.code: host for host in HOSTS}

# The specialties that grades rotate through.
_MEDICINE = (
    "General Internal Medicine",
    "Cardiology",
    "Respiratory Medicine",
    "Gastroenterology",
    "Geriatric Medicine",
)
_SURGERY = ("General Surgery", "Trauma and Orthopaedic Surgery", "Urology", "Otolaryngology")
_ACUTE = ("Emergency Medicine", "Anaesthetics", "Intensive Care Medicine")
_RUN_THROUGH = ("Paediatrics", "Obstetrics and Gynaecology", "Clinical Radiology", "Ophthalmology")


@dataclass(frozen=True)
class Grade:
    """``weight`` is the grade's share of a hospital's placements; the shares need not add up to anything."""

    abbreviation: str
    tis_id: str
    weight: int
    specialties: tuple[str, ...]
    ends: str  # the last day of an August placement in this grade


FOUR_MONTHS, SIX_MONTHS, TWELVE_MONTHS = "2027-11-30", "2028-02-01", "2028-08-01"

GRADES = (
    Grade("F2", "338", 22, (*_MEDICINE, *_SURGERY, "Emergency Medicine", "Paediatrics"), FOUR_MONTHS),
    Grade("CT1", "341", 8, ("General Internal Medicine", *_SURGERY, "Anaesthetics"), SIX_MONTHS),
    Grade("CT2", "342", 8, ("General Internal Medicine", *_SURGERY, "Anaesthetics"), SIX_MONTHS),
    Grade("CT3", "343", 4, ("General Internal Medicine", "Anaesthetics"), SIX_MONTHS),
    Grade("ST1", "351", 6, (*_RUN_THROUGH, "Emergency Medicine"), TWELVE_MONTHS),
    Grade("ST2", "352", 6, (*_RUN_THROUGH, "Emergency Medicine"), TWELVE_MONTHS),
    Grade("ST3", "353", 7, (*_RUN_THROUGH, *_SURGERY), TWELVE_MONTHS),
    Grade("ST4", "354", 9, (*_MEDICINE, *_SURGERY, *_ACUTE, *_RUN_THROUGH), TWELVE_MONTHS),
    Grade("ST5", "355", 7, (*_MEDICINE, *_SURGERY, *_ACUTE, *_RUN_THROUGH), TWELVE_MONTHS),
    Grade("ST6", "356", 6, (*_MEDICINE, *_SURGERY, *_ACUTE, *_RUN_THROUGH), TWELVE_MONTHS),
    Grade("ST7", "357", 4, (*_MEDICINE, *_SURGERY, *_ACUTE), TWELVE_MONTHS),
    Grade("ST8", "358", 2, _SURGERY, TWELVE_MONTHS),
    Grade("GPST1", "361", 6, ("General Internal Medicine", "Emergency Medicine", "Paediatrics"), SIX_MONTHS),
    Grade("GPST2", "362", 6, ("Geriatric Medicine", "Emergency Medicine", "Obstetrics and Gynaecology"), SIX_MONTHS),
)
# In a practice: mostly the last year of general practice training, some foundation doctors.
PRACTICE_GRADES = (
    Grade("GPST3", "363", 3, ("General Practice",), TWELVE_MONTHS),
    Grade("F2", "338", 1, ("General Practice",), FOUR_MONTHS),
)

SPECIALTY_CODES = {
    "General Surgery": "100",
    "Urology": "101",
    "Trauma and Orthopaedic Surgery": "110",
    "Otolaryngology": "120",
    "Ophthalmology": "130",
    "Paediatric Surgery": "171",
    "Emergency Medicine": "180",
    "Anaesthetics": "190",
    "Intensive Care Medicine": "192",
    "General Internal Medicine": "300",
    "Gastroenterology": "301",
    "Cardiology": "320",
    "Respiratory Medicine": "340",
    "Paediatrics": "420",
    "Geriatric Medicine": "430",
    "Obstetrics and Gynaecology": "501",
    "General Practice": "600",
    "Clinical Radiology": "810",
}


@cache
def _organisations() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = yaml.safe_load(ORGANISATIONS_FILE.read_text(encoding="utf-8"))
    return loaded


def name_of(code: str) -> str:
    """The organisation's name, as the register writes it."""
    return _organisations()[code]["name"]


def kind_of(code: str) -> str:
    """``trust`` or ``gp-practice``."""
    return _organisations()[code]["kind"]
