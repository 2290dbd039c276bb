import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from tagged import random_examples, tag_with_noise

from diplomacy_nlp.bootstrap import Interval, Score
from diplomacy_nlp.charts import (
    DARK_STYLE,
    difference_chart,
    reliability_chart,
    risk_coverage_chart,
    score_chart,
    standalone,
)
from diplomacy_nlp.domains import WIDE, DomainSet

SVG = "{http://www.w3.org/2000/svg}"
UNKNOWN = Score(math.nan, Interval(math.nan, math.nan))
SCORES = [Score(0.5, Interval(0.4, 0.625)), Score(1.0, Interval(math.nan, math.nan)), UNKNOWN]
NAMES = ["energy", "trade", "security"]
TAGGED = {
    "dev": tag_with_noise(random_examples(), 0.2),
    "test": tag_with_noise(random_examples(seed=1), 0.4),
}


def parsed(svg):
    return ET.fromstring(svg)  # noqa: S314 (our own)


def texts(svg):
    return ["".join(element.itertext()) for element in parsed(svg).iter(f"{SVG}text")]


def every_chart():
    return {
        "scores": score_chart(NAMES, {"default": SCORES, "baseline": SCORES}),
        "differences": difference_chart(NAMES, SCORES),
        "reliability": reliability_chart(TAGGED),
        "risk": risk_coverage_chart(TAGGED),
    }


def test_the_same_numbers_give_the_same_bytes():
    first, again = every_chart(), every_chart()
    assert first == again
    for svg in first.values():
        assert not re.search(r"\b20\d\d-\d\d", svg)  # no date
        assert "matplotlib" not in svg.lower()


def test_a_chart_can_stand_in_a_page_beside_others():
    charts = every_chart()
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in charts.values()]
    assert sum(map(len, ids)) == len(set().union(*ids)) > 0
    for svg in charts.values():
        root = parsed(svg)
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        assert root.get("aria-label")
        for forbidden in ("<style", "<script", "<?xml", "<!DOCTYPE", "DejaVu", "<image"):
            assert forbidden not in svg
        used = re.findall(r'(?:href="|url\()#([^")]+)', svg)
        assert set(used) <= set(re.findall(r'id="([^"]+)"', svg))


def test_every_colour_has_one_for_the_dark():
    for svg in every_chart().values():
        for part, colour in re.findall(r"(fill|stroke): (#[0-9a-f]{6})", svg):
            assert f'[style*="{part}: {colour}"]' in DARK_STYLE, f"{part} {colour}"


def test_scores_are_written_beside_their_bars():
    written = texts(score_chart(NAMES, {"default": SCORES}))
    assert set(NAMES) <= set(written)
    assert "0.500" in written
    assert "1.000" in written
    assert "nan" not in "".join(written)
    assert "default" not in written  # a single series needs no legend
    assert "baseline" in texts(score_chart(NAMES, {"default": SCORES, "baseline": SCORES}))


def test_a_bar_without_an_interval_is_pale():
    sure, unsure = (
        score_chart(["a"], {"x": [Score(0.5, interval)]})
        for interval in (Interval(0.4, 0.6), Interval(math.nan, math.nan))
    )
    assert "opacity: 0.85" in sure
    assert "opacity: 0.85" not in unsure
    assert "opacity: 0.3" in unsure


def test_differences_show_their_sign():
    written = texts(
        difference_chart(
            ["a", "b", "c"],
            [Score(0.0625, Interval(0.01, 0.1)), Score(-0.25, Interval(-0.3, -0.1)), UNKNOWN],
        )
    )
    assert {"+0.062", "−0.250"} <= set(written)


def test_nothing_known_at_all():
    for svg in (score_chart(["a"], {"x": [UNKNOWN]}), difference_chart(["a"], [UNKNOWN])):
        assert "a" in texts(svg)


def test_reliability_has_a_panel_for_each_domain():
    written = texts(reliability_chart(TAGGED))
    assert {"energy", "trade", "security", "counter-terrorism", "dev", "test"} <= set(written)
    assert {"probability", "share labelled"} <= set(written)
    wide = {"all": tag_with_noise(random_examples(domains=WIDE), 0.2)}
    assert set(WIDE.names) <= set(texts(reliability_chart(wide)))
    one = {"x": wide["all"].with_domains(["health"])}
    assert "health" in texts(reliability_chart(one))


def test_risk_over_coverage():
    written = texts(risk_coverage_chart(TAGGED))
    assert any(re.fullmatch(r"dev \(area 0\.\d{3}\)", text) for text in written)
    assert "100 %" in written
    perfect = tag_with_noise(random_examples(), 0)
    assert "perfect (area 0.000)" in texts(risk_coverage_chart({"perfect": perfect}))
    single = perfect.select(np.array([0]))
    assert "single (area 0.000)" in texts(risk_coverage_chart({"single": single}))


def test_curves_of_many_sentences_stay_small():
    few, many = ({"x": tag_with_noise(random_examples(n_documents=n), 0.3)} for n in (200, 2000))
    assert len(risk_coverage_chart(many)) < 1.5 * len(risk_coverage_chart(few)) < 30_000
    assert len(reliability_chart(many)) < 1.5 * len(reliability_chart(few)) < 60_000


def test_numbers_in_names_are_left_alone():
    assert "v1.23456" in texts(score_chart(["v1.23456"], {"x": SCORES[:1]}))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "$\\frac{1}{2}$ & co", "_private", "能源"]
)
def test_names_are_only_names(name):
    domains = DomainSet.of([name])
    tagged = {name: tag_with_noise(random_examples(domains=domains), 0.2), "b": TAGGED["dev"]}
    assert name in texts(score_chart([name], {"x": SCORES[:1], name: SCORES[:1]}))
    assert f"{name} (area" in "".join(texts(risk_coverage_chart(tagged)))
    assert name in texts(reliability_chart({"x": tagged[name]}))
    assert "two lines" in texts(score_chart(["two\nlines"], {"x": SCORES[:1]}))


def test_a_file_of_its_own_knows_the_dark():
    svg = reliability_chart(TAGGED)
    file = standalone(svg)
    assert parsed(file).find(f"{SVG}style") is not None
    assert re.sub(r"<style>.*</style>", "", file, count=1) == svg + "\n"
    assert file.count(DARK_STYLE) == 1
    assert re.findall(r"svg{background:(#\w+)}", file) == ["#ffffff", "#0d1117"]
    assert "prefers-color-scheme: dark" in file
