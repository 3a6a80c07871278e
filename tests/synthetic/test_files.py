"""Files for the spool: their form, their manifest, and the bad rows that are there on purpose."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter

from codebook.check_digits import individual_number_check_digit
from synthetic.business import Business
from synthetic.files import write_business_file, write_resident_file
from synthetic.people import population
from synthetic.rows import COLUMNS, FAULTS, Addressees, RowReason, plant, resident_rows, unharmed

ADDRESSEES = Addressees(7, "sky2")
PEOPLE = list(population(7, 1900))


def good_rows():
    return resident_rows(PEOPLE, ADDRESSEES)


def write_planted(folder):
    return write_resident_file(folder / "residents.csv", plant(good_rows(), ADDRESSEES))


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_manifest_says_what_the_file_is(tmp_path):
    written = write_planted(tmp_path)
    content = written.file.read_bytes()
    assert json.loads(written.manifest.read_text(encoding="utf-8")) == {
        "file": "residents.csv",
        "kind": "addressees",
        "count": content.count(b"\n") - 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "encoding": "utf-8",
    }


def test_the_file_is_utf8_with_a_header_and_line_feeds(tmp_path):
    written = write_planted(tmp_path)
    assert written.file.read_bytes().startswith(",".join(COLUMNS).encode() + b"\n")
    assert b"\r" not in written.file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["residents.csv", "residents.csv.manifest.json"]


def test_a_file_of_good_rows_has_one_row_each_and_nothing_to_reject(tmp_path):
    written = write_resident_file(tmp_path / "good.csv", unharmed(good_rows()))
    assert written.count == len(PEOPLE)
    assert written.rejected == ()


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    (tmp_path / "again").mkdir()
    assert write_planted(tmp_path).sha256 == write_planted(tmp_path / "again").sha256


def test_every_kind_of_fault_is_planted_three_times(tmp_path):
    written = write_planted(tmp_path)
    assert Counter(rejected.reason for rejected in written.rejected) == {
        RowReason.CHECK_DIGIT: 3,
        RowReason.DUPLICATE: 3,
        RowReason.FOUR_ITEMS_DIFFER: 3,
        RowReason.FIELD_MISSING: 3,
        RowReason.FIELD_MALFORMED: 6,
    }
    assert written.count == len(PEOPLE) + 3 * len(FAULTS)


def test_the_lines_reported_are_the_bad_ones_and_the_rest_are_the_good(tmp_path):
    written = write_planted(tmp_path)
    lines = dict(enumerate(read(written.file), start=1))
    for rejected in written.rejected:
        del lines[rejected.line]
    del lines[1]
    assert list(lines.values()) == [list(row.columns()) for row in good_rows()]


def test_each_planted_row_has_the_fault_it_is_said_to_have():
    planted = list(plant(good_rows(), ADDRESSEES, every=50, times=1))
    places = [place for place, item in enumerate(planted) if item.reason]
    before = [planted[place - 1].row for place in places]
    digit, copy, other, nameless, letters, date = [planted[place].row for place in places]
    assert individual_number_check_digit(digit.individual_number[:11]) != int(digit.individual_number[11])
    assert copy == before[1]
    assert other.individual_number == before[2].individual_number
    assert all(getattr(other, name) != getattr(before[2], name) for name in ("name", "sex", "birth_date", "address"))
    assert nameless.name == ""
    assert not letters.individual_number.isdigit()
    assert date.birth_date == "1985-02-30"


def test_no_planted_row_takes_the_number_of_a_good_one():
    planted = list(plant(good_rows(), ADDRESSEES))
    good = {item.row.addressee_number for item in planted if item.reason is None}
    bad = [i.row.addressee_number for i in planted if i.reason not in {None, RowReason.DUPLICATE}]
    assert not good & set(bad)
    assert len(good) == len(PEOPLE)
    assert len(set(bad)) == len(bad)


def test_systems_number_the_same_person_differently():
    assert ADDRESSEES.number(PEOPLE[0]) != Addressees(7, "other").number(PEOPLE[0])


def test_a_business_file_has_one_json_record_a_line(tmp_path):
    business = Business(7)
    records = [
        record
        for person in PEOPLE
        for record in business.medical_insurance(person, system="sky2", addressee_number=ADDRESSEES.number(person))
    ]
    written = write_business_file(tmp_path / "insurance.ndjson", records)
    lines = written.file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [record.as_line() for record in records]
    assert json.loads(written.manifest.read_text(encoding="utf-8"))["count"] == written.count == len(records)
