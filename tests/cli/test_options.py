"""The option tables, held against the commands' contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho import causes
from dcmecho.cli import exit_codes, options
from dcmecho.cli.options import Choice, Command, Integer, Option, Seconds
from dcmecho.cli.table_scp import ECHOSCP, network
from dcmecho.cli.table_scu import ECHOSCU
from dcmecho.errors import VerificationError

COMMANDS = pytest.mark.parametrize("command", [ECHOSCU, ECHOSCP], ids=lambda command: command.name)

# What existing pages and scripts name, each option in one word: its names joined by "=" signs would clash with -x=.
GENERAL = "-h,--help --version --arguments -q,--quiet -v,--verbose -d,--debug -ll,--log-level -lc,--log-config"
TLS_BOTH = (
    "-tls,--disable-tls +tls,--enable-tls +ps,--std-passwd +pw,--use-passwd -pw,--null-passwd -pem,--pem-keys "
    "-der,--der-keys +cf,--add-cert-file +cd,--add-cert-dir +crl,--add-crl-file +crv,--enable-crl-vfy "
    "+cra,--enable-crl-all +ph,--list-profiles +pg,--profile-8996 +pm,--profile-8996-mod +py,--profile-bcp195-nd "
    "+px,--profile-bcp195 +pz,--profile-bcp195-ex +pb,--profile-basic +pa,--profile-aes +pn,--profile-null "
    "+cc,--list-ciphers +cs,--cipher +dp,--dhparam +rs,--seed +ws,--write-seed +wf,--write-seed-file "
    "-rc,--require-peer-cert -vc,--verify-peer-cert -ic,--ignore-peer-cert --expiry-warning "
    "+vc,--verify-cert +rc,--is-root-cert"
)
SCU = (
    "-i4,--ipv4 -i6,--ipv6 -i0,--ip-auto -aet,--aetitle,--calling-aet -aec,--call,--called-aet -pts,--propose-ts "
    "-ppc,--propose-pc -xe,--request-little -xb,--request-big -xi,--request-implicit -to,--timeout "
    "-ts,--socket-timeout -ta,--acse-timeout -td,--dimse-timeout -tn,--network-timeout -pdu,--max-pdu --repeat "
    "--abort +tla,--anonymous-tls --no-sni --request-sni --verify-hostname --json --deadline"
)
SCP = (
    "-aet,--ae-title,--aetitle -ta,--acse-timeout -td,--dimse-timeout -tn,--network-timeout -pdu,--max-pdu "
    "-ba,--bind-address --require-called-aet --allow-calling-aet -x=,--prefer-uncompr "
    "-xe,--prefer-little -xb,--prefer-big -xi,--implicit --expect-sni "
    "--log-format --allow-from --max-associations --max-associations-per-host --max-association-pdu --max-message "
    "--max-pending-output --workers --inetd --metrics-port --metrics-address"
)


@pytest.mark.parametrize(("command", "own"), [(ECHOSCU, SCU), (ECHOSCP, SCP)], ids=["echoscu", "echoscp"])
def test_names_are_those_of_the_contract_and_no_others(command: Command, own: str) -> None:
    wanted = {tuple(names.split(",")) for names in f"{GENERAL} {TLS_BOTH} {own}".split()}
    assert {option.names for option in command.options} == wanted


@COMMANDS
def test_no_name_is_given_twice(command: Command) -> None:
    names = [name for option in command.options for name in option.names]
    assert len(names) == len(set(names)) == len(command.index())


@COMMANDS
def test_options_with_one_key_agree_on_its_kind(command: Command) -> None:
    defaults = command.defaults()
    for option in command.options:
        default = defaults[option.key]
        if not option.values and not option.request and default is not None and option.const is not None:
            assert type(option.const) is type(default), option
        assert all(key in defaults for key in (*option.excludes, *filter(None, [option.implies, option.words_key])))


DEFAULTS_SCU = {
    "calling_ae_title": "ECHOSCU",
    "called_ae_title": "ANY-SCP",
    "ip_version": 0,
    "propose_ts": 1,
    "propose_pc": 1,
    "connect_timeout": None,
    "socket_timeout": 60.0,
    "acse_timeout": 30.0,
    "dimse_timeout": None,
    "deadline": None,
    "max_pdu": 16384,
    "repeat": 1,
    "log_level": "warn",
    "transport": "plain",
    "key_password": None,
    "file_format": "pem",
    "profile": "8996",
    "peer_certificate": "require",
    "key_and_certificate": (),
}
DEFAULTS_SCP = {
    "ae_title": "ECHOSCP",
    "acse_timeout": 30.0,
    "dimse_timeout": 30.0,
    "network_timeout": 30.0,
    "max_pdu": 16382,
    "bind_address": None,
    "max_associations": None,
    "max_associations_per_host": None,
    "max_association_pdu": 524288,
    "max_message_length": 65536,
    "max_pending_output": 65536,
    "allow_from": (),
    "workers": 1,
    "inetd": False,
    "metrics_port": None,
    "metrics_address": "127.0.0.1",
    "log_format": "text",
    "prefer": "",
    "transport": "plain",
    "profile": "8996",
}


@pytest.mark.parametrize(
    ("command", "expected"), [(ECHOSCU, DEFAULTS_SCU), (ECHOSCP, DEFAULTS_SCP)], ids=["echoscu", "echoscp"]
)
def test_defaults_are_those_of_the_contract(command: Command, expected: dict[str, object]) -> None:
    defaults = command.defaults()
    assert {key: defaults[key] for key in expected} == expected


def test_an_options_long_name_and_label() -> None:
    both, long_only = Option("-a --all --every", "a", ""), Option("--abort", "abort", "")
    assert (both.long_name, both.label) == ("--all", "-a (--all)")
    assert (long_only.long_name, long_only.label) == ("--abort", "--abort")


@pytest.mark.parametrize("word", ["1", "+1", "-5", "007", "10"])
def test_integers_are_digits_with_an_optional_sign(word: str) -> None:
    assert Integer(-5, 10)(word) == int(word)


@pytest.mark.parametrize("word", ["", "+", "-", "1_0", " 1", "1 ", "1.0", "1e1", "0x1", "\u0661", "--1", "1-"])
def test_other_ways_to_write_an_integer_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is not an integer"):
        Integer(-5, 10)(word)


@pytest.mark.parametrize("word", ["-2", "5", "-6", "1" + "0" * 5000])
def test_an_integer_out_of_range_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"is out of range \(-1\.\.4\)"):
        Integer(-1, 4)(word)


def test_zero_is_in_range_where_it_means_something() -> None:
    assert Integer(4096, 131072, zero="no limit")("0") == 0
    with pytest.raises(ValueError, match=r"\(4096\.\.131072, or 0 for no limit\)"):
        Integer(4096, 131072, zero="no limit")("1")


@given(st.integers())
def test_integers_in_range_are_converted_and_all_others_refused(number: int) -> None:
    if 1 <= number <= 100:
        assert Integer(1, 100)(str(number)) == number
    else:
        with pytest.raises(ValueError, match="out of range"):
            Integer(1, 100)(str(number))


@pytest.mark.parametrize(("word", "seconds"), [("1", 1.0), ("0.25", 0.25), (".5", 0.5), ("+2", 2.0), ("1e2", 100.0)])
def test_seconds_may_have_decimals(word: str, seconds: float) -> None:
    assert Seconds()(word) == seconds


@pytest.mark.parametrize(
    "word", ["", "nan", "inf", "-inf", "infinity", "1_0", " 1", "1s", "e", ".", "1e", "0x1", "\u0661"]
)
def test_what_is_no_number_of_seconds_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is not a number of seconds"):
        Seconds()(word)


@pytest.mark.parametrize("word", ["0", "-5", "-0.0", "1e400", "316224001"])
def test_seconds_out_of_range_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"is out of range \(more than 0"):
        Seconds()(word)


def test_zero_seconds_are_none_where_the_option_says_so() -> None:
    assert Seconds(zero="none")("0") is None
    assert Seconds(zero="none")("0.0") is None
    with pytest.raises(ValueError, match="0 for none, or more than 0"):
        Seconds(zero="none")("-1")


def test_a_choice_takes_any_letter_case_and_names_what_it_takes() -> None:
    choice = Choice({"one": "1", "two": "2"})
    assert choice("Two") == "2"
    with pytest.raises(ValueError, match='"three" is none of one, two'):
        choice("three")


@pytest.mark.parametrize("name", ["-aet", "-aec"])
@pytest.mark.parametrize("word", ["", "   ", "A" * 17, "A\\B", "A\tB", "\tA", "A\x7f", "\u00c4"])
def test_an_ae_title_that_the_standard_does_not_allow_is_refused(name: str, word: str) -> None:
    convert = ECHOSCU.index()[name].convert
    assert convert is not None
    with pytest.raises(ValueError, match="AE title") as caught:
        convert(word)
    assert str(caught.value).isprintable()
    assert convert("  A B ") == "A B"


@pytest.mark.parametrize(
    ("word", "host"),
    [
        ("pacs", "pacs"),
        ("pacs.example.", "pacs.example."),
        ("192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("m\u00fcnster.example", "m\u00fcnster.example"),
    ],
)
def test_a_peer_is_a_name_or_an_address(word: str, host: str) -> None:
    assert options.host(word) == host


@pytest.mark.parametrize(
    "word",
    ["", " ", "a b", "a\n", "\x1b[2J", "[]", "[a]", "[::1", "::1]", "[[::1]]", "pacs:104", "http://pacs", "a" * 256],
)
def test_what_can_be_no_peer_is_refused_in_one_printable_line(word: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        options.host(word)
    assert str(caught.value).isprintable()


def test_a_port_behind_the_name_is_explained() -> None:
    with pytest.raises(ValueError, match="the port is a word of its own"):
        options.host("pacs:104")


@pytest.mark.parametrize("word", ["", ".pacs", "a b", "a\0", "a" * 256])
def test_what_can_be_no_server_name_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        options.server_name(word)
    assert options.server_name("pacs.example") == "pacs.example"


def test_empty_paths_and_names_are_refused() -> None:
    for convert in (options.path, options.name):
        assert convert(" ") == " "
        with pytest.raises(ValueError, match="is empty"):
            convert("")


@pytest.mark.parametrize("word", ["192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32", "0.0.0.0/0"])
def test_an_address_or_a_network(word: str) -> None:
    assert network(word) == word


@pytest.mark.parametrize("word", ["", "pacs", "192.0.2.1/24", "192.0.2.0/33", "192.0.2", "1::2::3", "\x1b[2J"])
def test_what_is_no_network_is_refused_in_one_printable_line(word: str) -> None:
    with pytest.raises(ValueError, match="is neither an IP address nor a network") as caught:
        network(word)
    assert str(caught.value).isprintable()


# Exit codes

OWN_CODE = {
    "input-file-unreadable": 20,
    "input-file-invalid": 22,
    "output-file-unwritable": 40,
    "port-unavailable": 60,
    "echo-status": 62,
    "interrupted": 130,
}


@pytest.mark.parametrize("step", causes.STEPS)
@pytest.mark.parametrize("cause", causes.CAUSES.values(), ids=lambda cause: cause.name)
def test_the_exit_code_is_the_causes_own_or_that_of_the_step(cause: causes.Cause, step: str) -> None:
    by_step = 70 if step in ("echo", "release") else 1
    assert exit_codes.exit_code(VerificationError(cause, step)) == OWN_CODE.get(cause.name, by_step)


def test_the_codes_told_are_those_that_can_be_returned() -> None:
    told = {code for code, _ in (*exit_codes.ECHOSCU_CODES, *exit_codes.ECHOSCP_CODES)}
    assert told == {0, 1, 70, *OWN_CODE.values()}
