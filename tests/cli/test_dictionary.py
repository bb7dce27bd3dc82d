"""Data dictionaries: which element has which name."""

import os
from pathlib import Path

import pytest

from dcmecho import causes
from dcmecho.cli import dictionary
from dcmecho.errors import LocalError

DCMTK_DICTIONARY = Path("/usr/share/libdcmtk17/dicom.dic")


def load(folder: Path, *texts: str) -> dictionary.Dictionary:
    paths = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.dic"
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))
    return dictionary.load({"DCMDICTPATH": os.pathsep.join(paths)})


@pytest.mark.parametrize("environ", [{}, {"DCMDICTPATH": ""}])
def test_command_elements_have_names_without_a_dictionary(environ: dict[str, str]) -> None:
    names = dictionary.load(environ)
    assert (names.vr(0x0000, 0x0002), names.name(0x0000, 0x0002)) == ("UI", "AffectedSOPClassUID")
    assert (names.vr(0x0000, 0x0901), names.name(0x0000, 0x0901)) == ("AT", "OffendingElement")
    assert (names.vr(0x0000, 0x51B0), names.name(0x0000, 0x51B0)) == ("US", "Overlays")
    assert names.warnings == ()


def test_what_has_no_name_is_unknown() -> None:
    names = dictionary.load({})
    assert (names.vr(0x0010, 0x0010), names.name(0x0010, 0x0010)) == ("UN", "Unknown Tag & Data")


def test_the_built_in_names_are_dcmtks() -> None:
    if not DCMTK_DICTIONARY.exists():
        pytest.skip(f"{DCMTK_DICTIONARY} is not installed")
    theirs = dictionary.load({"DCMDICTPATH": str(DCMTK_DICTIONARY)})
    ours = dictionary.load({})
    for element in range(0x10000):
        name = theirs.name(0x0000, element).removeprefix("RETIRED_")
        assert (ours.vr(0, element), ours.name(0, element)) == (theirs.vr(0, element), name)
    assert theirs.warnings == ()
    assert theirs.name(0x0010, 0x0010) == "PatientName"
    assert theirs.name(0x6002, 0x3000) == "OverlayData"


def test_entries_with_and_without_optional_fields(tmp_path: Path) -> None:
    names = load(
        tmp_path,
        "# comment\n\n   # another\r\n(0010,0010)\tPN\tPatientName\t1\tDICOM\r\n(0010,ABCD)\tLO\tA Name\n"
        "(0010,abce)\t??\tThird\t2-2n\n(10,2)\txs\tShort\t1-99\n",
    )
    assert names.name(0x0010, 0x0010) == "PatientName"
    assert names.name(0x0010, 0xABCD) == "A Name"
    assert (names.vr(0x0010, 0xABCE), names.name(0x0010, 0xABCE)) == ("??", "Third")
    assert (names.vr(0x0010, 0x0002), names.name(0x0010, 0x0002)) == ("xs", "Short")
    assert names.name(0x0000, 0x0002) == "AffectedSOPClassUID"


@pytest.mark.parametrize(
    ("tag", "within", "outside"),
    [
        (
            "(6000-60FF,0010)",
            [(0x6000, 0x10), (0x60FE, 0x10)],
            [(0x6001, 0x10), (0x60FF, 0x10), (0x6100, 0x10), (0x6000, 0x12)],
        ),
        ("(6000-e-60FF,0010)", [(0x6002, 0x10)], [(0x6001, 0x10)]),
        ("(0009-o-FFFF,0001)", [(0x0009, 1), (0xFFFF, 1)], [(0x000A, 1), (0x0007, 1)]),
        ("(0020-u-0022,0001)", [(0x0020, 1), (0x0021, 1), (0x0022, 1)], [(0x001F, 1), (0x0023, 1)]),
        (
            "(0020,3100-31FF)",
            [(0x0020, 0x3100), (0x0020, 0x31FE)],
            [(0x0020, 0x3101), (0x0020, 0x3200), (0x0022, 0x3100)],
        ),
        ("(0009-O-FFFF,0010-U-00FF)", [(0x0009, 0x10), (0x0009, 0x11)], [(0x0009, 0x100), (0x000A, 0x10)]),
    ],
)
def test_ranges(tmp_path: Path, tag: str, within: list[tuple[int, int]], outside: list[tuple[int, int]]) -> None:
    names = load(tmp_path, f"{tag}\tUS\tRanged\t1\n")
    assert [names.name(*each) for each in within] == ["Ranged"] * len(within)
    assert [names.name(*each) for each in outside] == [dictionary.UNKNOWN_NAME] * len(outside)


def test_later_entries_replace_earlier_ones_and_built_in_names(tmp_path: Path) -> None:
    names = load(
        tmp_path,
        "(0010,0010)\tPN\tFirst\n(0010-0020,0011)\tPN\tFirst\n(0000,0002)\tUI\tOurs\n",
        "(0010,0010)\tLO\tSecond\n(0010-0012,0011)\tLO\tSecond\n",
    )
    assert [names.name(0x10, 0x10), names.name(0x10, 0x11), names.name(0x20, 0x11)] == ["Second", "Second", "First"]
    assert names.name(0, 2) == "Ours"


def test_an_exact_tag_comes_before_a_range(tmp_path: Path) -> None:
    assert load(tmp_path, "(0010,0010)\tPN\tExact\n(0010-0020,0010)\tPN\tRanged\n").name(0x10, 0x10) == "Exact"


@pytest.mark.parametrize("tag", ['(0009,"A CREATOR",01)', '(0009-o-FFFF,"A, (B) "C"",0001)', '(0029,"X",10-u-1F)'])
def test_private_entries_name_nothing_without_their_creator(tmp_path: Path, tag: str) -> None:
    names = load(tmp_path, f"{tag}\tUN\tPrivate\t1\tPrivateTag\n")
    assert names.name(0x0009, 0x0001) == names.name(0x0029, 0x0010) == dictionary.UNKNOWN_NAME


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("(0010,0010) PN PatientName 1", "fewer than three fields"),
        ("(0010,0010)\tPN", "fewer than three fields"),
        ("(0010,0010)\tPNX\tName", "no VR"),
        ("(0010,0010)\tP1\tName", "no VR"),
        ("(0010,0010)\tPN\t\t1", "the name is empty"),
        ("(0010,0010)\tPN\tA\x1b[31m\t1", "control characters"),
        ("0010,0010\tPN\tName", "no tag"),
        ("(0010)\tPN\tName", "no hexadecimal number"),
        ("(001G,0010)\tPN\tName", "no hexadecimal number"),
        ("(0_10,0010)\tPN\tName", "no hexadecimal number"),
        ("(00100,0010)\tPN\tName", "no hexadecimal number"),
        ("(6000-60FF-6100-1,0010)\tPN\tName", "no range"),
        ("(6000-x-60FF,0010)\tPN\tName", "no range"),
        ("(60FF-6000,0010)\tPN\tName", "ends before it begins"),
        ('(0009,"CREATOR)\tPN\tName', "no private tag"),
        ('(0009,"",01)\tPN\tName', "no private tag"),
        ('(0009,x"A",01)\tPN\tName', "no private tag"),
        ("(0010,0010)\tPN\tName\tmany", "no VM"),
        ("(0010,0010)\tPN\tName\t1-", "no VM"),
        ("(0010,0010)\tPN\tName\tn", "no VM"),
        ("(0010,0010)\tPN\tName\t1-x", "no VM"),
    ],
)
def test_a_malformed_line_fails_its_file(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(LocalError) as caught:
        load(tmp_path, f"(0008,0008)\tCS\tImageType\t2-n\n{line}\n")
    assert caught.value.cause is causes.INPUT_FILE_UNREADABLE
    assert caught.value.path == str(tmp_path / "0.dic")
    assert f"{tmp_path / '0.dic'}: line 2: " in caught.value.detail
    assert reason in caught.value.detail
    assert "\x1b" not in str(caught.value)


def test_a_file_that_fails_beside_one_that_loads_is_a_warning(tmp_path: Path) -> None:
    names = load(tmp_path, "(0010,0010)\tPN\tGood\n", "(0010,0010)\tPN\tBad\n(0010,0020)\n")
    assert names.name(0x10, 0x10) == "Good"
    [warning] = names.warnings
    assert str(tmp_path / "1.dic") in warning
    assert "line 2" in warning


def test_every_reason_is_told_if_none_can_be_loaded(tmp_path: Path) -> None:
    value = os.pathsep.join(["", str(tmp_path / "absent"), str(tmp_path), ""])
    with pytest.raises(LocalError) as caught:
        dictionary.load({"DCMDICTPATH": value})
    assert caught.value.cause is causes.INPUT_FILE_UNREADABLE
    assert caught.value.path == str(tmp_path / "absent")
    assert f"{tmp_path / 'absent'}: {os.strerror(2)}" in caught.value.detail
    assert f"; {tmp_path}: " in caught.value.detail


@pytest.mark.parametrize("value", [os.pathsep, "a\0b"])
def test_a_value_that_names_no_file_is_an_error(value: str) -> None:
    with pytest.raises(LocalError, match="DCMDICTPATH"):
        dictionary.load({"DCMDICTPATH": value})


def test_a_file_has_a_greatest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "(0010,0010)\tPN\tName\n"
    monkeypatch.setattr(dictionary, "MAX_FILE_SIZE", len(text))
    assert load(tmp_path, text).name(0x10, 0x10) == "Name"
    with pytest.raises(LocalError, match="larger than"):
        load(tmp_path, text + "#")
