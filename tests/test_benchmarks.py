"""The benchmarks' arithmetic, parsing and tables; and that their C programs compile. Nothing is timed."""

import dataclasses
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# They are not part of the wheel: the checkout has them.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import __main__ as command
from benchmarks import codec, crowd, figures, harness, imports, load, native, programs, report, workers
from benchmarks.figures import C_SERVER, DCMTK, OURS, PYNETDICOM, Figure, MeasurementError, Value, at_least, at_most
from benchmarks.suite import BENCHMARKS


def a_figure(*targets: figures.Target, ours: float | None = 50.0, dcmtk: float = 100.0) -> Figure:
    values = {DCMTK: Value((dcmtk,)), PYNETDICOM: Value((400.0, 200.0, 300.0), "2 failed")}
    if ours is not None:
        values[OURS] = Value((ours,))
    return Figure("start", "a whole run", "ms", values, targets)


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (12_700.4, "12,700"),
            (100.0, "100"),
            (86.44, "86.4"),
            (50.0, "50"),
            (2.346, "2.35"),
            (1.5, "1.5"),
            (1.0, "1"),
            (0.0, "0"),
            (0.25, "0.25"),
            (0.0461, "0.046"),
        ],
    )
    def test_about_three_digits(self, value: float, text: str) -> None:
        assert figures.number(value) == text

    def test_per_echo_takes_start_up_out(self) -> None:
        assert harness.per_echo(0.1, 0.6, 11) == pytest.approx(0.05)

    def test_per_echo_of_noise_is_an_error(self) -> None:
        with pytest.raises(MeasurementError, match="noisy"):
            harness.per_echo(0.2, 0.2, 11)

    @pytest.mark.parametrize(("echo", "seconds", "expected"), [(0.1, 1.0, 10), (0.0001, 1.0, 10_000), (3.0, 1.0, 2)])
    def test_repeat_fits_the_time_wanted(self, echo: float, seconds: float, expected: int) -> None:
        assert harness.choose_repeat(lambda repeat: 0.2 + echo * (repeat - 1), seconds) == pytest.approx(
            expected, rel=0.2
        )

    def test_a_program_that_ignores_repeat_is_found_out(self) -> None:
        with pytest.raises(MeasurementError, match="does it know --repeat"):
            harness.choose_repeat(lambda repeat: 0.2, 1.0)


class TestFigures:
    def test_median(self) -> None:
        assert Value((400.0, 200.0, 300.0)).median == 300

    def test_ratio_is_ours_by_the_peers(self) -> None:
        assert a_figure().ratio(DCMTK) == 0.5
        assert a_figure().ratio(PYNETDICOM) == pytest.approx(1 / 6)

    def test_ratio_is_none_where_a_side_is_missing(self) -> None:
        assert a_figure(ours=None).ratio(DCMTK) is None
        assert a_figure().ratio("Orthanc") is None
        assert a_figure(dcmtk=0.0).ratio(DCMTK) is None

    @pytest.mark.parametrize(
        ("targets", "met"),
        [
            ((), None),
            ((at_most(0.5, DCMTK),), True),
            ((at_most(0.49, DCMTK),), False),
            ((at_least(0.5, DCMTK),), True),
            ((at_least(0.51, DCMTK),), False),
            ((at_least(0.1, DCMTK), at_least(0.2, PYNETDICOM)), False),
            ((at_least(0.1, DCMTK), at_least(0.1, "Orthanc")), None),
            ((at_least(0.6, DCMTK), at_least(0.1, "Orthanc")), False),
            ((at_most(50),), True),
            ((at_most(49.9),), False),
            ((at_least(50),), True),
            ((at_least(50.1),), False),
            ((at_most(50), at_most(0.4, DCMTK)), False),
        ],
    )
    def test_met(self, targets: tuple[figures.Target, ...], met: bool | None) -> None:
        assert a_figure(*targets).met is met

    def test_a_limit_without_a_value_of_ours_cannot_be_told(self) -> None:
        assert a_figure(at_most(50), ours=None).met is None

    def test_a_problem_of_ours_misses_the_target(self) -> None:
        whole = dataclasses.replace(a_figure(at_most(50)), problems={OURS: "gone"})
        assert whole.met is False
        assert dataclasses.replace(whole, targets=()).met is None
        assert dataclasses.replace(whole, problems={DCMTK: "gone"}).met is True

    def test_samples_become_values_by_key(self) -> None:
        samples = figures.Samples({OURS: [{"rate": 1.0, "p99": 7.0}, {"rate": 3.0, "p99": 9.0}], DCMTK: []})
        figure = samples.figure("n", "t", "us", "p99", note=lambda taken: f"{len(taken)} rounds")
        assert figure.values == {OURS: Value((7.0, 9.0), "2 rounds")}

    def test_rounds_may_be_merged(self) -> None:
        samples = figures.Samples({OURS: [{"cut": 5.0}, {"cut": 4.0}]})
        assert samples.figure("n", "t", "", "cut", merge=sum).values == {OURS: Value((9.0,))}
        assert samples.figure("n", "t", "", "cut", merge=min).values == {OURS: Value((4.0,))}

    def test_rounds_of_several_measurements_add_up(self) -> None:
        whole = figures.Samples({OURS: [{"refused": 1.0}]}, {DCMTK: "the first"})
        whole.add(figures.Samples({OURS: [{"refused": 2.0}], PYNETDICOM: []}, {DCMTK: "another", OURS: "gone"}))
        assert whole.taken == {OURS: [{"refused": 1.0}, {"refused": 2.0}], PYNETDICOM: []}
        assert whole.problems == {DCMTK: "the first", OURS: "gone"}

    def test_what_failed_and_what_was_not_served_is_one_sum(self) -> None:
        sample = load.with_sum({"failed": 2.0, "unserved": 3.0})
        assert sample == {"failed": 2.0, "unserved": 3.0, "refused": 5.0}

    def test_load_generators_are_joined(self) -> None:
        first = {"rate": 100.0, "count": 100.0, "cpu": 12.0, "own": 4.0, "p99": 1.0}
        second = {"rate": 300.0, "count": 300.0, "cpu": 0.0, "own": 8.0, "p99": 2.0}
        assert workers.joined([first, second]) == {"rate": 400.0, "cpu": 3.0, "own": 7.0}
        nothing = dict.fromkeys(first, 0.0)
        assert workers.joined([nothing, nothing]) == {"rate": 0.0, "cpu": 0.0, "own": 0.0}

    def test_the_load_generators_cost_is_remarked(self) -> None:
        remark = workers.generator([{"own": 5.0, "cpu": 8.0}, {"own": 7.0, "cpu": 9.0}, {"own": 6.0, "cpu": 7.0}])
        assert remark == "load generator 6 µs each, server 8 µs"

    def test_worst_round_is_remarked(self) -> None:
        rounds = [{"failed": 0.0, "unserved": 3.0}, {"failed": 2.0, "unserved": 1.0}]
        assert load.refused(rounds) == "2 failed, 3 not served"
        assert load.refused([{"failed": 0.0, "unserved": 0.0}]) == ""


class TestRounds:
    def test_subjects_alternate_forwards_and_backwards(self) -> None:
        order: list[str] = []

        def subject(name: str) -> figures.Sample:
            order.append(name)
            return {"rate": float(len(order))}

        samples = harness.interleave(3, {name: functools.partial(subject, name) for name in "AB"})
        assert "".join(order) == "ABBAAB"
        assert [sample["rate"] for sample in samples.taken["A"]] == [1, 4, 5]

    def test_a_subject_that_fails_is_left_out_from_then_on(self) -> None:
        calls: list[int] = []

        def fails_the_second_time() -> figures.Sample:
            calls.append(1)
            if len(calls) == 2:
                raise MeasurementError("gone")
            return {"rate": 1.0}

        samples = harness.interleave(4, {"A": fails_the_second_time, "B": lambda: {"rate": 2.0}})
        assert len(calls) == 2
        assert samples.problems == {"A": "gone"}
        assert len(samples.taken["B"]) == 4


class TestProcesses:
    def test_environment_is_a_users(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in harness.UNWANTED:
            monkeypatch.setenv(name, "1")
        monkeypatch.setenv("HOME", "/somewhere")
        assert not set(harness.UNWANTED) & set(harness.environment({}))
        assert harness.environment(programs.NO_DELAY)["TCP_NODELAY"] == "1"
        assert harness.environment({})["HOME"] == "/somewhere"

    def test_a_run_yields_wall_and_cpu(self, tmp_path: Path) -> None:
        sample = harness.run([sys.executable, "-c", "sum(range(100000))"], {}, tmp_path)
        assert sample.keys() == {"wall", "cpu"}
        assert sample["cpu"] > 0

    def test_a_run_that_fails_says_why(self, tmp_path: Path) -> None:
        program = "import sys; sys.stderr.write('first\\nno \\x1b[2J peer\\n\\n'); sys.exit(3)"
        with pytest.raises(MeasurementError, match=r"exited with 3: no \?\[2J peer$"):
            harness.run([sys.executable, "-c", program], {}, tmp_path)

    def test_a_server_is_up_and_then_gone(self, tmp_path: Path) -> None:
        script = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nwhile True: s.accept()"
        server = programs.Server("a server", (sys.executable, "-c", script))
        with harness.serving(server, tmp_path) as served:
            os.kill(served.pid, 0)
        with pytest.raises(ProcessLookupError):
            os.kill(served.pid, 0)

    def test_a_server_that_ends_at_once_says_why(self, tmp_path: Path) -> None:
        server = programs.Server("a server", (sys.executable, "-c", "import sys; sys.exit('no room')"))
        with (
            pytest.raises(MeasurementError, match="a server exited with 1: no room"),
            harness.serving(server, tmp_path),
        ):
            pass

    def test_orthancs_configuration(self, tmp_path: Path) -> None:
        orthanc = programs.OrthancServer("Orthanc", ("Orthanc",))
        program, configuration = orthanc.command(11112, tmp_path)
        settings = json.loads(Path(configuration).read_text())
        assert program == "Orthanc"
        assert settings["DicomPort"] == 11112
        assert settings["HttpServerEnabled"] is False
        assert Path(settings["StorageDirectory"]).is_relative_to(tmp_path)


class TestParsing:
    def test_a_native_programs_line(self) -> None:
        assert native.parse_line("rate=18500.5 count=3\n") == {"rate": 18500.5, "count": 3}

    @pytest.mark.parametrize("line", ["", "\n", "rate", "rate=fast", "rate=1 what"])
    def test_what_is_no_measurement(self, line: str) -> None:
        with pytest.raises(MeasurementError):
            native.parse_line(line)

    def test_import_times(self) -> None:
        output = (
            "import time: self [us] | cumulative | imported package\n"
            "import time:       190 |        190 |   _io\n"
            "W: import time: 1 | 2 | forged\n"
            "import time:      2000 |       2190 | io\n"
        )
        rows = imports.parse(output)
        assert rows == [("_io", 190, 190), ("io", 2000, 2190)]
        lines = imports.table(rows, 1)
        assert "2.2 ms in 2 modules" in lines[0]
        assert len(lines) == 2
        assert lines[1].split() == ["2000", "own", "2190", "with", "its", "own", "io"]

    def test_what_is_a_python_script(self, tmp_path: Path) -> None:
        script, other = tmp_path / "script", tmp_path / "other"
        script.write_bytes(b"#!/usr/bin/python3\nprint()\n")
        other.write_bytes(b"\x7fELF")
        assert imports.is_python_script(script)
        assert not imports.is_python_script(other)

    def test_options(self) -> None:
        options = command.parse(["--only", "codec", "--runs", "3", "--echoscu", "a 'b c'", "--json", "f"])
        assert options.only == ["codec"]
        assert options.runs == 3
        assert options.echoscu == ["a", "b c"]
        assert options.json == Path("f")

    @pytest.mark.parametrize("arguments", [["--only", "nonsense"], ["--runs", "0"], ["--runs", "x"]])
    def test_wrong_options(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit):
            command.parse(arguments)

    def test_names_are_unique(self) -> None:
        names = [benchmark.name for benchmark in BENCHMARKS]
        assert len(set(names)) == len(names)


class TestReport:
    figure = a_figure(at_most(0.25, DCMTK), at_most(1.0, PYNETDICOM))

    def test_plain(self) -> None:
        assert report.plain([self.figure]).splitlines() == [
            "figure       peers                         ours   ratio              target                  met?",
            "-----------  ----------------------------  -----  -----------------  ----------------------  ----",
            "a whole run  DCMTK 100 ms                  50 ms  0.5 x DCMTK        at most 0.25 x DCMTK    NO",
            "             pynetdicom 300 ms (2 failed)         0.17 x pynetdicom  at most 1 x pynetdicom",
        ]

    def test_a_limit_stands_in_the_figures_unit(self) -> None:
        figure = a_figure(at_most(8), at_most(1.0, DCMTK))
        row = report.plain([figure]).splitlines()[2:]
        assert row == [
            "a whole run  DCMTK 100 ms                  50 ms               at most 8 ms       NO",
            "             pynetdicom 300 ms (2 failed)         0.5 x DCMTK  at most 1 x DCMTK",
        ]
        assert report.as_object(figure)["targets"] == [
            {"rule": "at most", "limit": 8},
            {"peer": DCMTK, "rule": "at most", "factor": 1.0, "ratio": 0.5},
        ]

    def test_a_count_has_no_unit(self) -> None:
        figure = Figure("n", "cut", "", {OURS: Value((5000.0,))}, (at_least(5000),))
        assert report.markdown([figure]).splitlines()[2] == "| cut |  | 5,000 |  | at least 5,000 | yes |"

    def test_a_problem_of_ours_stands_with_ours(self) -> None:
        figure = Figure("n", "t", "s", {}, (at_most(5),), {OURS: "only 9 of 10 stood", DCMTK: "gone"})
        assert report.markdown([figure]).splitlines()[2] == (
            "| t | DCMTK: gone | -<br>only 9 of 10 stood |  | at most 5 s | NO |"
        )

    def test_plain_of_nothing_is_its_head(self) -> None:
        assert len(report.plain([]).splitlines()) == 2

    def test_markdown(self) -> None:
        assert report.markdown([self.figure]).splitlines()[2] == (
            "| a whole run | DCMTK 100 ms<br>pynetdicom 300 ms (2 failed) | 50 ms | 0.5 x DCMTK<br>0.17 x pynetdicom "
            "| at most 0.25 x DCMTK<br>at most 1 x pynetdicom | NO |"
        )

    def test_markdown_keeps_its_cells(self) -> None:
        problem = Figure("n", "a|b", "/s", {OURS: Value((12.0,))}, problems={DCMTK: "<gone>"})
        assert report.markdown([problem]).splitlines()[2] == r"| a\|b | DCMTK: &lt;gone> | 12/s |  |  |  |"

    def test_json(self) -> None:
        whole = json.loads(report.as_json([self.figure], {"Python": "3.11"}, ["a note"]))
        assert whole["versions"] == {"Python": "3.11"}
        assert whole["notes"] == ["a note"]
        (figure,) = whole["figures"]
        assert figure["values"][PYNETDICOM] == {"median": 300.0, "rounds": [400.0, 200.0, 300.0], "note": "2 failed"}
        assert figure["targets"][0] == {"peer": DCMTK, "rule": "at most", "factor": 0.25, "ratio": 0.5}
        assert figure["met"] is False


class TestMeasure:
    def test_one_that_fails_costs_no_other_its_figures(self, tmp_path: Path) -> None:
        def fails(bench: harness.Bench) -> figures.Report:
            raise MeasurementError("no peer")

        def works(bench: harness.Bench) -> figures.Report:
            return figures.Report((a_figure(),), ("a note",))

        bench = harness.Bench(1, 0.1, tmp_path, programs.Programs({}, {}, {}), native.Natives(tmp_path))
        chosen = [figures.Benchmark("one", "", fails), figures.Benchmark("two", "", works)]
        done, notes, failed = command.measure(bench, chosen)
        assert [figure.name for figure in done] == ["start"]
        assert notes == ["one: not measured: no peer", "a note"]
        assert failed


def test_codec_and_pynetdicom_make_the_same_bytes() -> None:
    pytest.importorskip("pynetdicom")
    codec.check()


@pytest.fixture(scope="module")
def cc() -> str:
    found = native.compiler()
    if found is None:
        pytest.skip("no C compiler (cc)")
    return found


@pytest.fixture(scope="module")
def natives(cc: str, tmp_path_factory: pytest.TempPathFactory) -> native.Natives:
    return native.Natives(tmp_path_factory.mktemp("native"))


@pytest.fixture
def served(natives: native.Natives, tmp_path: Path) -> Iterator[harness.Served]:
    """A C server for many connections."""
    server = programs.Server("C server", (str(natives.path("scp")), "epoll"))
    with harness.serving(server, tmp_path) as up:
        yield up


@pytest.fixture
def bench(natives: native.Natives, tmp_path: Path) -> harness.Bench:
    """One short round with the C server and ours, nobody else."""
    found = programs.find(None, None, natives)
    if OURS not in found.servers:
        pytest.skip("echoscp is not installed beside this interpreter")
    kept = {name: server for name, server in found.servers.items() if name in (OURS, C_SERVER)}
    return harness.Bench(1, 0.05, tmp_path, programs.Programs({}, kept, {}), natives, quick=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the load programs need epoll")
class TestNative:
    @pytest.mark.parametrize("name", native.PROGRAMS)
    def test_compiles_without_warnings(self, cc: str, name: str, tmp_path: Path) -> None:
        native.compile_program(cc, name, tmp_path, ["-Werror", "-Wpedantic"])

    def test_a_program_that_does_not_compile_says_why(self, cc: str, tmp_path: Path) -> None:
        with pytest.raises(MeasurementError, match=r"scu\.c does not compile"):
            native.compile_program(cc, "scu", tmp_path, ["-DWIRE_H"])

    @pytest.mark.parametrize("mode", ["single", "epoll"])
    @pytest.mark.parametrize(
        "client",
        [
            ("scu", "one-write", "echoes"),
            ("scu", "two-writes", "echoes"),
            ("scu", "one-write", "associations"),
            ("load", "echoes"),
            ("load", "associations"),
        ],
    )
    def test_client_and_server_understand_each_other(
        self, natives: native.Natives, mode: str, client: tuple[str, ...], tmp_path: Path
    ) -> None:
        server = programs.Server("C server", (str(natives.path("scp")), mode))
        with harness.serving(server, tmp_path) as served:
            count = ["1"] if client[0] == "load" else []
            sample = natives.run(*client, str(served.port), *count, "0.02", seconds=0.02)
        assert sample["count"] >= 1
        assert sample.get("failed", 0) == 0
        assert sample.get("unserved", 0) == 0

    def test_connections_come_from_many_addresses(self, natives: native.Natives) -> None:
        """One address would run out of ports, and every fast server would seem to be no faster than that."""
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            listener.settimeout(10)
            port = listener.getsockname()[1]
            with subprocess.Popen([str(natives.path("load")), "associations", str(port), "8", "0.5"]):
                seen = set()
                for _ in range(8):
                    connection, address = listener.accept()
                    connection.close()
                    seen.add(address[0])
        assert len(seen) == 8

    def test_a_server_that_is_gone_is_asked_again_but_not_at_once(self, natives: native.Natives) -> None:
        sample = natives.run("load", "associations", str(harness.free_port()), "4", "0.05", seconds=0.05)
        assert sample["count"] == 0
        assert sample["unserved"] == 4
        # Each at the beginning, and then every 10 ms at most.
        assert 4 <= sample["failed"] <= 24

    def test_who_waits_without_an_answer_counts_as_the_longest_wait(self, natives: native.Natives) -> None:
        """A listener that accepts nobody: all wait from the beginning to the end."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            arguments = ("load", "associations", str(listener.getsockname()[1]), "2", "0.2")
            sample = natives.run(*arguments, seconds=0.2)
        assert (sample["count"], sample["unserved"]) == (0, 2)
        assert sample["longest"] >= 190_000

    def test_open_associations(self, served: harness.Served, natives: native.Natives) -> None:
        arguments = ("open", str(served.port), "200", "0.1", "1000", *harness.processes(served))
        sample = natives.run("crowd", *arguments, seconds=1)
        assert sample["standing"] == 200
        assert sample["failed"] == sample["unserved"] == 0
        assert sample["count"] >= 99
        assert sample["stand"] > 0
        assert sample["rss"] > 0

    def test_idle_connections_that_nobody_cuts(self, served: harness.Served, natives: native.Natives) -> None:
        arguments = ("idle", str(served.port), "50", "4", "0.1", "1000", "0", str(served.pid))
        sample = natives.run("crowd", *arguments, seconds=1)
        assert sample["silent"] == 50
        assert sample["cut"] == 0
        assert sample["failed"] == sample["unserved"] == 0
        assert sample["count"] >= 1

    def test_echoes_that_nobody_answers_have_waited_and_failed(self, natives: native.Natives) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(10)
            command = [str(natives.path("crowd")), "open", str(listener.getsockname()[1]), "1", "0.05", "1000"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(b"\x02\0\0\0\0\0")  # as much of an A-ASSOCIATE-AC as is looked at
                    connection.recv(1024)
                output, _ = client.communicate(timeout=10)
        sample = native.parse_line(output)
        assert sample["standing"] == 1
        # The one that was sent, and all that fell due while there was no association any more.
        assert sample["failed"] == sample["count"] + 1
        assert sample["count"] >= 40

    def test_the_limit_plays(self, natives: native.Natives, tmp_path: Path) -> None:
        server = programs.Server("limit", (str(natives.path("pingpong")), "server"))
        with harness.serving(server, tmp_path) as served:
            assert natives.run("pingpong", "client", str(served.port), "0.02", seconds=0.02)["count"] >= 1

    def test_a_client_without_a_server_fails_in_words(self, natives: native.Natives) -> None:
        with pytest.raises(MeasurementError, match="connect: Connection refused"):
            natives.run("scu", "one-write", "echoes", str(harness.free_port()), "0.02", seconds=0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="the load programs need epoll")
class TestOurs:
    """The benchmarks of the server as a whole, with small numbers."""

    def test_load(self, bench: harness.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(load, "CONNECTIONS", (256,))
        for measure, what in ((load.measure_echoes, "echoes"), (load.measure_associations, "associations")):
            made = {figure.name: figure for figure in measure(bench).figures}
            assert set(made) == {
                f"load-{what}-{row}" for row in ("256", "256-p99", "256-cpu", "256-longest", "refused")
            }
            assert {name for figure in made.values() for name in figure.values} == {C_SERVER, OURS}
            assert "failed" not in made[f"load-{what}-256"].values[OURS].note
            assert made[f"load-{what}-refused"].met is not None

    def test_open_associations(self, bench: harness.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crowd, "OPEN_QUICK", 200)
        made = {figure.name: figure for figure in crowd.measure_open(bench).figures}
        assert set(made) == {"open-stand", "open-memory", "open-p99", "open-refused"}
        assert all(set(figure.values) == {C_SERVER, OURS} for figure in made.values())
        assert made["open-stand"].title.startswith("200 associations")
        assert made["open-refused"].met is True

    def test_a_server_that_refuses_some_is_a_problem(self, bench: harness.Bench) -> None:
        ours = bench.programs.server(OURS)
        strict = dataclasses.replace(ours, start=(*ours.start, "--max-associations", "3"))
        with pytest.raises(MeasurementError, match="only 3 of 5 stood"):
            crowd.open_sample(bench, strict, 5)

    def test_idle_connections(self, bench: harness.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crowd, "SILENT_QUICK", 50)
        monkeypatch.setattr(crowd, "COMING", 0.5)
        made = {figure.name: figure for figure in crowd.measure_idle(bench).figures}
        assert set(made["idle-p99"].values) == {OURS, C_SERVER, "ours alone", "C server alone"}
        assert made["idle-p99"].ratio("ours alone") is not None
        assert made["idle-cut"].values == {OURS: Value((50.0,))}
        assert made["idle-cut"].met is True
        # The limit that ours was started with.
        assert min(made["idle-last-cut"].values[OURS].rounds) >= 0.6

    @pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
    def test_workers(self, bench: harness.Bench) -> None:
        before = os.sched_getaffinity(0)
        made = {figure.name: figure for figure in workers.measure(bench).figures}
        assert set(made) == {f"workers-{what}" for what in load.ONE}
        for figure in made.values():
            assert set(figure.values) == {workers.ONE_WORKER, OURS}
            assert not figure.problems
        assert "load generator" in made["workers-echoes"].values[OURS].note
        assert os.sched_getaffinity(0) == before

    def test_workers_are_left_out_on_one_processor(self, bench: harness.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
        report = workers.measure(bench)
        assert not report.figures
        assert len(report.notes) == 1

    def test_processes_of_a_server(self, bench: harness.Bench) -> None:
        ours = bench.programs.server(OURS)
        two = dataclasses.replace(ours, start=(*ours.start, "--workers", "2"))
        with harness.serving(two, bench.directory) as up:
            found = harness.processes(up, least=3)
            assert found[0] == str(up.pid)
            assert len(set(found)) == 3


def test_processes_that_never_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "READY_LIMIT", 0.05)
    with pytest.raises(MeasurementError, match="not 1000 processes"):
        harness.processes(harness.Served(0, os.getpid()), least=1000)


def test_storescp_is_not_to_ask_for_names(bench: harness.Bench) -> None:
    found = {DCMTK: programs.Server(DCMTK, ("storescp",)), OURS: programs.Server(OURS, ("echoscp",))}
    loaded = load.servers(dataclasses.replace(bench, programs=programs.Programs({}, found, {})))
    assert {server.name: server.start for server in loaded} == {
        DCMTK: ("storescp", "--disable-host-lookup"),
        OURS: ("echoscp",),
    }


def test_without_a_compiler_only_the_c_programs_are_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    found = programs.find(None, None, native.Natives(tmp_path))
    assert found.absent["C server"] == found.absent["C ping-pong"] == "no C compiler (cc)"
    assert OURS not in found.clients
    with pytest.raises(MeasurementError, match="no DCMTK server here"):
        found.server(DCMTK)


def test_a_stand_in_for_ours(tmp_path: Path) -> None:
    python = Path(sys.executable)
    found = programs.find([str(python), "-c", "pass"], [str(python)], native.Natives(tmp_path))
    assert found.clients[OURS].command == (str(python), "-c", "pass")
    assert found.servers[OURS].command(104, tmp_path) == (str(python), "104")


def test_version_line() -> None:
    assert programs.version_line([sys.executable, "-c", "print('$dcmtk: it $\\nmore')"]) == "dcmtk: it"
    assert programs.version_line(["/no/such/program"]) == ""


def test_the_command_lists_its_benchmarks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == [b.name for b in BENCHMARKS]
