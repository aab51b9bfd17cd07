"""Generate the bulk-upload spreadsheets of an invented rotation, of any size: placements, and the posts they stand on::

    python -m shared.samples.uploads --rows 100000 --placements placements.csv --posts posts.csv

The same seed and number of rows give the same bytes. Rows are written one by one, so the size does not matter.
"""

import argparse
import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from shared.samples.people import invent_names
from shared.samples.places import GRADES, HOSTS, LEAD_EMPLOYER, SPECIALTY_CODES, name_of

HEADER = (
    "Surname*",
    "GMC Number",
    "GDC Number",
    "Public Health Number",
    "TIS Person ID",
    "National Post Number*",
    "Date From*",
    "Date To*",
    "Placement Type*",
    "Placement Status*",
    "Site*",
    "Other Sites",
    "WTE*",
    "Grade*",
    "Specialty1*",
    "Specialty2",
    "Specialty3",
    "Sub specialty",
    "Clinical Supervisor",
    "Educational Supervisor",
    "Comments",
)
POSTS_HEADER = (
    "National Post Number*",
    "Approved grade*",
    "Specialty*",
    "Main site (Known as)*",
    "Training body*",
    "Employing body*",
    "Owner*",
)
START = date(2027, 8, 4)
SURNAMES = 500
PLACEMENTS_A_POST = 2


def write_uploads(rows: int, placements: Path, posts: Path, seed: int = 2027) -> None:
    """Write both files; every post has placements one after the other."""
    rng = random.Random(seed)
    surnames = [name.partition(" ")[2] for name in invent_names(rng, SURNAMES)]
    with placements.open("w", encoding="utf-8", newline="") as placed, posts.open("w", encoding="utf-8", newline="") as posted:
        writer, post_writer = csv.writer(placed), csv.writer(posted)
        writer.writerow(HEADER)
        post_writer.writerow(POSTS_HEADER)
        for number in range(0, rows, PLACEMENTS_A_POST):
            post, placed_there = _invented(rng, number, min(PLACEMENTS_A_POST, rows - number), surnames)
            post_writer.writerow(post)
            writer.writerows(placed_there)


def _invented(rng: random.Random, first: int, count: int, surnames: list[str]) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    host = rng.choice([host for host in HOSTS if host.is_general])
    site, grade = rng.choice(host.sites), rng.choice(GRADES)
    specialty = rng.choice(grade.specialties)
    known_as = f"{site.name} ({site.code})"
    post = f"NWN/{site.code}/{SPECIALTY_CODES[specialty]}/{grade.abbreviation}/{first:06d}"

    def placed() -> Iterator[tuple[str, ...]]:
        for place in range(count):
            start = START + timedelta(days=182 * place)
            end = start + timedelta(days=181)
            person = 400_001 + first + place
            wte = rng.choice(("1.0", "1.0", "1.0", "0.8", "0.6"))
            days = (f"{day:%d/%m/%Y}" for day in (start, end))
            doctor = (rng.choice(surnames), f"{7_000_000 + first + place}", "", "", str(person))
            yield (*doctor, post, *days, "In post", "FUTURE", known_as, "", wte, grade.abbreviation, specialty, *[""] * 6)

    return (post, grade.abbreviation, specialty, known_as, name_of(host.code), name_of(LEAD_EMPLOYER), "North West"), placed()


def main() -> None:
    """Write the files that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--placements", type=Path, required=True)
    parser.add_argument("--posts", type=Path, required=True)
    given = parser.parse_args()
    write_uploads(given.rows, given.placements, given.posts, given.seed)


if __name__ == "__main__":
    main()
