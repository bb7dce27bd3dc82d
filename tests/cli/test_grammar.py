"""The grammar of the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.cli import grammar, rules
from dcmecho.cli.grammar import Arguments, parse
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.cli.table_scu import ECHOSCU
from dcmecho.errors import UsageError


def scu(*words: str) -> Arguments:
    return parse(ECHOSCU, [*words, "peer", "104"])


def scp(*words: str) -> Arguments:
    return parse(ECHOSCP, [*words, "11112"])


def problem(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(ECHOSCU, words)
    text = str(caught.value)
    assert text.isprintable()
    return text


# Options, values, parameters


def test_nothing_but_parameters_gives_every_default() -> None:
    arguments = parse(ECHOSCU, ["[::1]", "104"])
    assert (arguments.text("peer"), arguments.number("port")) == ("::1", 104)
    assert arguments.text("called_ae_title") == "ANY-SCP"
    assert arguments.seconds("connect_timeout") is None
    assert not arguments.flag("abort")
    assert not arguments.given("called_ae_title")
    assert arguments.given("peer")
    assert arguments.occurrences == ()
    assert arguments.request is None


@pytest.mark.parametrize("name", ["-aec", "--call", "--called-aet"])
def test_every_name_of_an_option_works(name: str) -> None:
    arguments = scu(name, "PACS")
    assert arguments.text("called_ae_title") == "PACS"
    assert arguments.given("called_ae_title")
    assert arguments.typed(arguments.occurrences[0][0]) == name


def test_options_and_parameters_come_in_any_order() -> None:
    arguments = parse(ECHOSCU, ["peer", "-aet", "A", "104", "--abort"])
    assert (arguments.text("peer"), arguments.number("port")) == ("peer", 104)
    assert arguments.flag("abort")
    assert arguments.parameters == ("peer", "104")


def test_the_sign_belongs_to_the_name() -> None:
    arguments = parse(ECHOSCU, ["+rc", "root.pem"])
    assert arguments.optional_text("is_root_cert") == "root.pem"
    assert not arguments.given("peer_certificate")


def test_a_value_is_the_next_word_whatever_it_begins_with() -> None:
    arguments = scu("-aet", "-v", "-aec", "+tls", "-lc", "--help")
    assert arguments.text("calling_ae_title") == "-v"
    assert arguments.text("called_ae_title") == "+tls"
    assert arguments.optional_text("log_config") == "--help"
    assert arguments.text("log_level") == "warn"
    assert arguments.request is None
    assert problem("-ta", "-5", "peer", "104").startswith('option -ta: "-5" is out of range')


@pytest.mark.parametrize(
    ("words", "level"),
    [
        ("-q", "fatal"),
        ("-v", "info"),
        ("-d", "debug"),
        ("-ll critical", "fatal"),
        ("-ll warning", "warn"),
        ("-ll trace", "trace"),
        ("-q -v", "info"),
        ("-d -q", "fatal"),
        ("-ll error -ll info", "info"),
    ],
)
def test_of_the_log_levels_the_rightmost_counts(words: str, level: str) -> None:
    assert scu(*words.split()).text("log_level") == level


def test_of_one_option_twice_the_rightmost_value_counts() -> None:
    assert scu("-aet", "A", "-aet", "B").text("calling_ae_title") == "B"


def test_transfer_syntax_options_exclude_each_other() -> None:
    first = scu("-pts", "3", "-xb")
    assert (first.number("propose_ts"), first.text("transfer_syntax")) == (1, "explicit-big")
    assert not first.given("propose_ts")
    second = scu("-xe", "-pts", "3")
    assert (second.number("propose_ts"), second.text("transfer_syntax")) == (3, "")
    assert scu("-xe", "-xi").text("transfer_syntax") == "implicit-little"


@pytest.mark.parametrize(("words", "version"), [("-i4", 4), ("--ipv6", 6), ("-i4 -i0", 0), ("-i6 -i4", 4)])
def test_address_families(words: str, version: int) -> None:
    assert scu(*words.split()).number("ip_version") == version


def test_the_network_timeout_is_the_socket_timeout_of_echoscu_and_one_of_its_own_of_echoscp() -> None:
    assert scu("-ts", "5", "-tn", "2.5").seconds("socket_timeout") == 2.5
    assert scu("-tn", "0").seconds("socket_timeout") is None
    assert scp("-tn", "0").seconds("network_timeout") is None
    assert problem("-td", "0", "peer", "104").startswith("option -td: ")


@pytest.mark.parametrize(
    ("words", "prefer"),
    [
        ("-x=", "uncompressed"),
        ("-xe", "explicit-little"),
        ("-x= --prefer-big", "explicit-big"),
        ("--implicit", "implicit-little"),
    ],
)
def test_preferred_transfer_syntaxes_of_echoscp(words: str, prefer: str) -> None:
    assert scp(*words.split()).text("prefer") == prefer


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("-pts 53", 53),
        ("-ppc 128", 128),
        ("-pdu 4096", 4096),
        ("-pdu 131072", 131072),
        ("-pdu 0", 0),
        ("--repeat 4294967295", 4294967295),
    ],
)
def test_numbers_at_the_edge_of_their_range(words: str, value: int) -> None:
    arguments = scu(*words.split())
    assert arguments.number(arguments.occurrences[0][0].key) == value


@pytest.mark.parametrize(
    "words",
    ["-pts 0", "-pts 54", "-ppc 0", "-ppc 129", "-pdu 4095", "-pdu 131073", "--repeat 0", "--repeat 4294967296"],
)
def test_numbers_beyond_their_range(words: str) -> None:
    name, value = words.split()
    assert problem(name, value, "peer", "104").startswith(f'option {name}: "{value}" is out of range')


def test_ports() -> None:
    assert parse(ECHOSCP, ["0"]).number("port") == 0
    assert parse(ECHOSCU, ["peer", "65535"]).number("port") == 65535
    assert problem("peer", "0") == 'parameter port: "0" is out of range (1..65535)'
    assert problem("peer", "65536").startswith("parameter port: ")


def test_what_is_missing_or_too_much_is_named() -> None:
    assert problem() == "missing parameter: peer"
    assert problem("peer") == "missing parameter: port"
    assert problem("peer", "104", "a\x1bb") == 'surplus parameter: "a\\x1bb"'
    assert problem("peer", "104", "-aet") == "option -aet: missing value TITLE"
    assert problem("peer", "104", "+tls", "key.pem") == "option +tls: missing value CERT"


def test_an_empty_word_is_a_parameter() -> None:
    assert problem("", "104") == 'parameter peer: the name "" is empty'


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("-", 'unknown option "-"'),
        ("+", 'unknown option "+"'),
        ("-5", 'unknown option "-5"'),
        ("--bogus", 'unknown option "--bogus"'),
        ("--aetitel", 'unknown option "--aetitel" (did you mean --aetitle?)'),
        ("+aet", 'unknown option "+aet" (did you mean -aet?)'),
        ("--aetitle=A", 'unknown option "--aetitle=A" (--aetitle takes its value as a word of its own)'),
        ("--verb", 'unknown option "--verb" (did you mean --verbose?)'),
        ("-\x1b[2J", 'unknown option "-\\x1b[2J"'),
    ],
)
def test_unknown_options(word: str, text: str) -> None:
    assert problem(word, "peer", "104") == text


def test_the_first_problem_is_told() -> None:
    assert problem("-ta", "x", "--bogus", "-aet").startswith("option -ta: ")


@given(
    st.lists(
        st.one_of(st.sampled_from([*ECHOSCU.index(), "A", "1", "peer", ""]), st.text().filter(lambda w: "@" not in w))
    )
)
def test_any_line_is_understood_or_refused_in_one_printable_line(words: list[str]) -> None:
    try:
        arguments = parse(ECHOSCU, words)
    except UsageError as error:
        text = str(error)
        assert text.isprintable()
    else:
        assert (
            arguments.request
            or arguments.number("port")
            or arguments.given("verify_cert")
            or arguments.given("is_root_cert")
        )


# What is answered whatever else is on the line


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ("-h", "help"),
        ("--help", "help"),
        ("--version", "version"),
        ("+cc", "list_ciphers"),
        ("--list-profiles", "list_profiles"),
        ("--bogus --help", "help"),
        ("--help -ta", "help"),
        ("-ta -5 --version", "version"),
        ("a b c d +cc", "list_ciphers"),
        ("@/does/not/exist +ph", "list_profiles"),
        ("+pa --version", "version"),
        ("+cc --version -h", "help"),
        ("--version -h +ph", "help"),
        ("+ph --version +cc", "version"),
    ],
)
def test_a_request_wins_over_everything(words: str, request_: str) -> None:
    assert parse(ECHOSCU, words.split()).request == request_


# Command files


def test_a_command_file_stands_for_its_words(tmp_path: Path) -> None:
    file = tmp_path / "command"
    file.write_bytes(b"\xef\xbb\xbf-aet 'A  B'\r\n\t-aec \"it's\"\n\n--lc-is-not-here")
    assert grammar.read_command_file(str(file)) == ["-aet", "A  B", "-aec", "it's", "--lc-is-not-here"]
    file.write_text("-aet 'A B' peer")
    arguments = parse(ECHOSCU, ["-v", f"@{file}", "104"])
    assert arguments.text("calling_ae_title") == "A B"
    assert arguments.parameters == ("peer", "104")


def test_a_command_file_is_expanded_in_the_place_of_a_value_too(tmp_path: Path) -> None:
    file = tmp_path / "title"
    file.write_text("PACS")
    assert scu("-aec", f"@{file}").text("called_ae_title") == "PACS"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", []),
        (" \n ", []),
        ("''", [""]),
        ("O'Brien a\"b", ["O'Brien", 'a"b']),
        ("'@file'", ["@file"]),
        ("a\fb\vc", ["a", "b", "c"]),
        ("'a\nb'", ["a\nb"]),
        ("a@b", ["a@b"]),
        ("\u00a0", ["\u00a0"]),
    ],
)
def test_words_of_a_command_file(tmp_path: Path, content: str, words: list[str]) -> None:
    file = tmp_path / "command"
    file.write_bytes(content.encode())
    assert grammar.read_command_file(str(file)) == words


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\n'b", "line 2: a quotation mark is not closed"),
        (b"a 'b'c", "line 1: no white space after a closing quotation mark"),
        (b"a\n\n@b", "line 3: a command file cannot name another one"),
        (b"a\xff", "not UTF-8 text (byte 1)"),
        (b"a\0b", "holds a NUL character"),
        (b"a" * (grammar.MAX_COMMAND_FILE + 1), "larger than 1048576 bytes"),
    ],
)
def test_a_command_file_that_is_wrong_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "command"
    file.write_bytes(content)
    assert problem(f"@{file}", "peer", "104") == f'command file "{file}": {reason}'


def test_a_command_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert problem(f"@{tmp_path}/none").startswith(f'command file "{tmp_path}/none": ')
    assert problem(f"@{tmp_path}").startswith("command file ")
    assert problem("@").startswith('command file "": ')
    assert problem("@a\0b") == 'command file "a\\x00b": no file can have this name'


@given(st.lists(st.text().filter(lambda word: "\0" not in word and "'" not in word)))
def test_quoted_words_come_back_as_they_were(words: list[str]) -> None:
    assert grammar._split(" ".join([f"'{word}'" for word in words]), "") == words


def test_the_largest_command_file_is_read_in_one_pass(tmp_path: Path) -> None:
    file = tmp_path / "command"
    file.write_text("'' " * (grammar.MAX_COMMAND_FILE // 3))
    assert len(grammar.read_command_file(str(file))) == grammar.MAX_COMMAND_FILE // 3


# TLS


def test_of_the_transports_the_rightmost_counts() -> None:
    tls = scu("+tla", "+tls", "old.key", "old.crt", "+tls", "key", "crt")
    assert (tls.text("transport"), tls.all("key_and_certificate")) == ("tls", ("key", "crt"))
    for name, transport in (("+tla", "anonymous"), ("-tls", "plain")):
        arguments = scu("+tls", "key", "crt", name)
        assert (arguments.text("transport"), arguments.all("key_and_certificate")) == (transport, ())


@pytest.mark.parametrize(
    ("words", "password"),
    [("", None), ("+ps", None), ("+pw secret", "secret"), ("-pw", ""), ("+pw a +ps", None), ("-pw +pw -b", "-b")],
)
def test_passwords(words: str, password: str | None) -> None:
    assert scu("+tls", "key", "crt", *words.split()).optional_text("key_password") == password


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("+pg", "8996"),
        ("+pm", "8996-mod"),
        ("+py", "bcp195-nd"),
        ("+px", "bcp195"),
        ("+pz", "bcp195-ex"),
        ("+pb", "basic"),
        ("+pa", "aes"),
        ("+pn", "null"),
    ],
)
def test_profiles(name: str, profile: str) -> None:
    assert scu("+tla", "+px", name).text("profile") == profile


@pytest.mark.parametrize(("name", "how"), [("-rc", "require"), ("-vc", "verify"), ("-ic", "ignore")])
def test_how_the_peers_certificate_is_treated(name: str, how: str) -> None:
    assert scu("+tla", "-ic", name).text("peer_certificate") == how


def test_options_that_collect_keep_their_order() -> None:
    arguments = scu("+tla", "+cf", "a", "+cd", "d", "+cf", "b", "+cs", "X", "+cs", "Y", "+crl", "r", "+crl", "s")
    assert arguments.all("ca_files") == ("a", "b")
    assert arguments.all("ca_directories") == ("d",)
    assert arguments.all("ciphers") == ("X", "Y")
    assert arguments.all("crl_files") == ("r", "s")
    assert arguments.flag("crl_leaf")
    assert not arguments.flag("crl_chain")
    assert scu("+tla", "+cf", "c").all("ca_files") == ("c",)


def test_revocation_flags() -> None:
    assert scu("+tla", "+crv").flag("crl_leaf")
    assert scu("+tla", "+cra").flag("crl_chain")


def test_the_two_ways_to_write_a_seed_exclude_each_other() -> None:
    first = scu("+tla", "+rs", "seed", "+ws", "+wf", "other")
    assert (first.flag("write_seed"), first.optional_text("write_seed_file")) == (False, "other")
    second = scu("+tla", "+rs", "seed", "+wf", "other", "+ws")
    assert (second.flag("write_seed"), second.optional_text("write_seed_file")) == (True, None)


def test_server_names() -> None:
    assert scu("--request-sni", "pacs").optional_text("request_sni") == "pacs"
    assert scp("--expect-sni", "pacs").optional_text("expect_sni") == "pacs"
    assert scu("+tla", "--verify-hostname", "pacs").optional_text("verify_hostname") == "pacs"


def test_the_format_of_a_file_is_the_one_named_before_it() -> None:
    arguments = scu("+cf", "a", "-der", "+tls", "k", "c", "+cf", "b", "-pem", "+crl", "r")
    assert rules.files(arguments, "ca_files") == (("a", "pem"), ("b", "der"))
    assert rules.files(arguments, "key_and_certificate") == (("k", "der"), ("c", "der"))
    assert rules.files(arguments, "crl_files") == (("r", "pem"),)
    assert rules.files(arguments, "verify_cert") == ()


def test_only_the_files_in_effect_are_listed() -> None:
    assert rules.files(scu("+tls", "k", "c", "+tla"), "key_and_certificate") == ()
    assert rules.files(scu("+tls", "k", "c", "-der", "+tls", "l", "d"), "key_and_certificate") == (
        ("l", "der"),
        ("d", "der"),
    )
    twice = parse(ECHOSCU, ["-der", "+rc", "a", "-pem", "+rc", "b"])
    assert rules.files(twice, "is_root_cert") == (("b", "pem"),)


NEEDS = "needs +tls (--enable-tls) or +tla (--anonymous-tls)"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        *[
            (f"{option} x", f"option {option}: {NEEDS}")
            for option in ("+cf", "+cd", "+crl", "+cs", "+dp", "+rs", "--verify-hostname")
        ],
        *[
            (option, f"option {option}: {NEEDS}")
            for option in ("-pem", "-der", "+crv", "--enable-crl-all", "+pg", "+pn", "-rc", "-vc", "-ic")
        ],
        ("+tls k c -tls +pa", f"option +pa: {NEEDS}"),
        ("+pw x", "option +pw: needs +tls (--enable-tls)"),
        ("+tla -pw", "option -pw: needs +tls (--enable-tls)"),
        ("+tla --std-passwd", "option --std-passwd: needs +tls (--enable-tls)"),
        ("+tla +ws", "option +ws: needs +rs (--seed)"),
        ("+tla +wf f", "option +wf: needs +rs (--seed)"),
        ("+tla +cs X +pz", "option +cs: no cipher suite can be added to the profiles +pm and +pz"),
        ("+tla +pm +cs X", "option +cs: no cipher suite can be added to the profiles +pm and +pz"),
        ("--no-sni --request-sni x", "option --no-sni: contradicts --request-sni"),
        ("+vc f", "option +vc: needs trusted certificates: +cf (--add-cert-file) or +cd (--add-cert-dir)"),
        ("+rc f +pa", f"option +pa: {NEEDS}"),
    ],
)
def test_what_tls_options_demand_of_each_other(words: str, text: str) -> None:
    assert problem(*words.split(), "peer", "104") == text


def test_echoscp_has_no_tls_without_a_certificate() -> None:
    with pytest.raises(UsageError, match=r"^option \+pa: needs \+tls \(--enable-tls\)$"):
        scp("+pa")
    with pytest.raises(UsageError, match="unknown option"):
        scp("+tla")


@pytest.mark.parametrize(
    "words",
    [
        "-tls",
        "--no-sni",
        "--request-sni x",
        "+tla +cs X +py",
        "+tla +pz +cs X +py",
        "+tls k c +pw x",
        "+tla +rs s +ws",
        "+tla +vc f",
    ],
)
def test_what_may_stand_on_one_line(words: str) -> None:
    assert scu(*words.split()).request is None


@pytest.mark.parametrize("words", ["+rc f", "-der +rc f", "+vc f +cf ca", "+vc f +cd dir +crl r +cra", "+tla +vc f"])
def test_an_offline_check_needs_neither_parameters_nor_tls(words: str) -> None:
    arguments = parse(ECHOSCU, words.split())
    assert (arguments.text("peer"), arguments.number("port")) == ("", 0)
    if "+tla" not in words:
        assert parse(ECHOSCP, words.split()).number("port") == 0


# Start-up


def test_a_plain_command_line_loads_nothing_that_costs_time() -> None:
    code = (
        "import sys; before = set(sys.modules); from dcmecho.cli.table_scu import ECHOSCU; "
        "from dcmecho.cli.grammar import parse; parse(ECHOSCU, ['-v', 'peer', '104']); "
        "print(*sorted(m for m in set(sys.modules) - before if not m.startswith('dcmecho'))); "
        "print(*sorted(m for m in set(sys.modules) - before if m in ('dcmecho.cli.help', 'dcmecho.cli.rules')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
