"""The benchmarks' arithmetic and tables, on made-up samples. Nothing here looks at a clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import __main__ as tool
from benchmarks import child, load, modes, results, runner, stats, table
from benchmarks.model import DIFFERENCE, PROGRAMS, ROWS, VALUE, Program, Row, Sample
from benchmarks.runner import ChildFailed, Series

NINE = [1.04, 1.00, 1.01, 1.02, 1.03, 1.05, 1.06, 1.07, 1.08]
ROW = Row("made-up", "a made-up thing", "made-up", budget=1.05)


def series(none: list[float], agent: list[float], **others: list[float]) -> Series:
    by_mode = {"none": none, "agent": agent, **others}
    return Series({mode: [{"ns": each} for each in numbers] for mode, numbers in by_mode.items()})


class TestSummaries:
    def test_the_median_minimum_and_spread(self) -> None:
        """The spread is the range as a share of the median."""
        summary = stats.summarise([10.0, 12.0, 11.0])

        assert (11.0, 10.0) == (summary.median, summary.minimum)
        assert summary.spread == pytest.approx(2 / 11)

    def test_the_interval_of_nine_leaves_out_one_at_each_end(self) -> None:
        """The second and the eighth of nine enclose the median with 96%, the third and seventh with 82%."""
        summary = stats.summarise(NINE)

        assert (1.01, 1.07) == (summary.low, summary.high)

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
    def test_the_interval_of_few_is_their_range(self, count: int) -> None:
        """Leaving out anything would promise too much."""
        summary = stats.summarise(NINE[:count])

        assert (min(NINE[:count]), max(NINE[:count])) == (summary.low, summary.high)

    def test_ratios_are_taken_round_by_round(self) -> None:
        """A machine that became twice as slow half way changes nothing."""
        assert [1.1, 1.1] == pytest.approx(stats.ratios([11.0, 22.0], [10.0, 20.0]))

    def test_rounds_without_a_partner_are_refused(self) -> None:
        """Pairing by accident would compare different moments."""
        with pytest.raises(ValueError):
            stats.ratios([1.0], [1.0, 2.0])


class TestVerdicts:
    @pytest.mark.parametrize(
        ("samples", "budget", "verdict"),
        [
            ([1.0, 1.1, 1.2], None, stats.NO_BUDGET),
            ([1.0, 1.0, 1.2], 1.0, stats.OK),
            ([1.0, 1.1, 1.2], 1.05, stats.UNCLEAR),
            ([1.1, 1.2, 1.3], 1.05, stats.OVER),
        ],
    )
    def test_only_a_whole_interval_above_the_budget_is_over(
        self, samples: list[float], budget: float | None, verdict: str
    ) -> None:
        """Noise alone fails nobody."""
        assert verdict == stats.judge(stats.summarise(samples), budget)

    def test_check_turns_an_exceeded_budget_into_exit_code_1(self) -> None:
        """And only check does."""
        over = results.evaluate(ROW, series([1.0] * 3, [2.0] * 3))

        assert [0, 1] == [tool.exit_code([over], check) for check in (False, True)]

    def test_a_failed_row_is_exit_code_2(self) -> None:
        """With or without check."""
        failed = results.evaluate(ROW, Series(failure="agent: it would not start"))

        assert 2 == tool.exit_code([failed], check=False)


class TestRows:
    def test_a_ratio_compares_with_and_without(self) -> None:
        """The debug mode's ratio stands beside it."""
        result = results.evaluate(ROW, series([10.0] * 3, [11.0] * 3, debug=[210.0] * 3))

        assert result.summary is not None
        assert result.summary.median == pytest.approx(1.1)
        assert result.debug_ratio == pytest.approx(21.0)

    def test_a_difference_subtracts(self) -> None:
        """As memory does."""
        row = Row("made-up", "", "made-up", compare=DIFFERENCE, unit="B", budget=400)
        result = results.evaluate(row, series([800.0] * 3, [950.0] * 3))

        assert result.summary is not None
        assert (150.0, stats.OK) == (result.summary.median, result.verdict)

    def test_a_value_needs_one_mode_only(self) -> None:
        """As a latency does."""
        row = Row("made-up", "", "made-up", compare=VALUE, unit="ms", budget=50)
        result = results.evaluate(row, Series({"agent": [{"ns": 60.0}] * 3}))

        assert stats.OVER == result.verdict

    def test_every_row_reads_a_program_that_runs_in_its_modes(self) -> None:
        """No row is left without samples."""
        for row in ROWS.values():
            needed = {row.subject} if row.compare == VALUE else {row.subject, row.base}
            assert needed <= set(PROGRAMS[row.program].modes), row.name


class TestCollecting:
    def test_modes_are_interleaved(self) -> None:
        """Every mode once, then every mode again."""
        asked = []

        def take(program: Program, mode: str, scale: float) -> Sample:
            asked.append(mode)
            return {"ns": 1.0}

        runner.collect(Program("made-up", lambda mode, scale: {}, ("none", "agent")), 2, 1.0, take)

        assert ["none", "agent", "none", "agent"] == asked

    def test_a_failing_child_ends_its_program(self) -> None:
        """A half series would be compared with a whole one."""

        def take(program: Program, mode: str, scale: float) -> Sample:
            raise ChildFailed("it would not start")

        got = runner.collect(Program("made-up", lambda mode, scale: {}, ("agent",)), 2, 1.0, take)

        assert ({}, "agent: it would not start") == (got.samples, got.failure)

    def test_a_program_that_needs_what_is_not_installed_is_skipped(self) -> None:
        """With the reason, and without a child; it is no failure."""
        wanting = Program("made-up", lambda mode, scale: {}, ("agent",), needs=("json", "no_such_module"))
        result = results.evaluate(ROW, runner.collect(wanting, 2, 1.0, child=None))

        assert table.plain([result]).endswith("made-up skipped: no_such_module not installed here")
        assert (*[""] * 7, "skipped", "") == table.cells(result)[1:]
        assert 0 == tool.exit_code([result], check=True)

    def test_one_child_without_the_agent(self) -> None:
        """A fresh process that takes one small sample and has seen that the agent is off."""
        sample = runner.run_child(PROGRAMS["create-await"], "none", scale=0.0005)

        assert sample["ns"] > 0

    def test_a_child_that_fails_is_told_with_its_last_words(self) -> None:
        """So that the table can say why a row is missing."""
        stranger = Program("no-such-program", lambda mode, scale: {}, ("none",))

        with pytest.raises(ChildFailed, match="no-such-program"):
            runner.run_child(stranger, "none", scale=1.0)

    def test_the_environment_of_each_mode(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the caller had set for the agent reaches no child."""
        monkeypatch.setenv("UNSTUCK_INTERVAL", "1ms")
        extra = {"UNSTUCK_SINKS": "jsonl:{folder}/findings.jsonl"}
        none, agent = (modes.environment(mode, extra, "there") for mode in ("none", "agent"))

        assert not [name for name in none if name.startswith("UNSTUCK")]
        assert {"UNSTUCK": "1", "UNSTUCK_SINKS": "jsonl:there/findings.jsonl"} == {
            name: value for name, value in agent.items() if name.startswith("UNSTUCK")
        }


class TestLoad:
    @pytest.mark.parametrize(
        ("got", "whole"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", False),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1", False),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: today\r\n\r\n12", True),
        ],
    )
    def test_an_answer_is_waited_for_to_its_end(self, got: bytes, whole: bool) -> None:
        """It may come in several pieces."""
        assert whole == load.is_whole(got)

    def test_an_answer_that_is_not_wanted_ends_it(self) -> None:
        """An error page is quick to serve, and no measurement."""
        with pytest.raises(ValueError, match="500"):
            load.is_whole(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")

    @pytest.mark.parametrize("name", ["http-aiohttp", "http-starlette"])
    def test_a_few_requests_without_the_agent(self, name: str) -> None:
        """From the load generator to the number of nanoseconds."""
        for module in PROGRAMS[name].needs:
            pytest.importorskip(module)

        assert runner.run_child(PROGRAMS[name], "none", scale=0.001)["ns"] > 0


class TestTables:
    measured = results.evaluate(ROW, series([20_000.0] * 3, [21_000.0] * 3, debug=[400_000.0] * 3))

    def test_a_line(self) -> None:
        """Everything that a verdict rests on."""
        expected = (
            "made-up",
            "20.0 µs",
            "21.0 µs",
            "1.050 x",
            "1.050 to 1.050",
            "1.050",
            "0%",
            "≤ 1.050 x",
            "ok",
        )

        assert (*expected, "20.0 x") == table.cells(self.measured)

    def test_a_failed_row_says_why(self) -> None:
        """Below the table."""
        failed = results.evaluate(ROW, Series(failure="agent: it would not start"))

        assert table.plain([failed]).endswith("made-up failed: agent: it would not start")

    def test_the_file_gives_back_what_was_written(self, tmp_path: Path) -> None:
        """Summaries, samples and all."""
        path = tmp_path / "results" / "latest.json"
        results.save(path, {"python": "CPython 3.13"}, 9, 1.0, [self.measured])
        whole, read = results.load(path)

        assert [self.measured] == read
        assert (1, 9) == (whole["v"], whole["runs"])

    def test_markdown_replaces_what_stands_between_the_markers(self, tmp_path: Path) -> None:
        """And nothing else of the page."""
        machine = dict.fromkeys(("python", "system", "cpu", "cores"), "some") | {"date": "2026-11-22T03:00:00"}
        page, file = tmp_path / "page.md", tmp_path / "latest.json"
        page.write_text(f"before\n{table.BEGIN}\nold numbers\n{table.END}\nafter\n")
        results.save(file, machine, 9, 1.0, [self.measured])

        assert 0 == tool.main(["--markdown", str(page), "--json", str(file)])
        text = page.read_text()
        assert text.startswith("before\n") and text.endswith("after\n") and "old numbers" not in text
        assert "| a made-up thing | 20.0 µs | 21.0 µs | 1.050 x |" in text

    def test_a_page_without_markers_is_refused(self, tmp_path: Path) -> None:
        """Rather than numbers in the wrong place."""
        page = tmp_path / "page.md"
        page.write_text("no markers\n")

        with pytest.raises(ValueError, match=r"page\.md has no"):
            table.paste(page, "numbers")

    def test_a_child_prints_one_line_of_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """And nothing else on stdout."""
        PROGRAMS["made-up"] = Program("made-up", lambda mode, scale: {"ns": scale}, ("none",))
        try:
            child.main("made-up", "none", "0.5")
        finally:
            del PROGRAMS["made-up"]

        assert {"ns": 0.5} == json.loads(capsys.readouterr().out)
