"""The rules that say whether a stop ends a sentence of diplomatic news.

The first rule of :data:`RULES` with an opinion decides.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["RULES", "Stop"]

_LIST_MARK = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[IVX]{1,5})$")
_NUMBER = re.compile(r"\d|[IVX]+\b|[A-Z]{1,3}[/\d]")
_DOTTED = re.compile(r"(?:.*\W)?[^\W\d_](?:\.[^\W\d_])+$")
_INITIAL = re.compile(r"(?:[A-Z]\.?-)?[^\W\d_a-z]$")
_MIXED_CASE = re.compile(r"[a-z]{1,3}-?[A-Z]")  # al-Shabaab, eSwatini
_CLOCK_GOES_ON = re.compile(
    r"[A-Z]{2,5}\b|\w+ [Tt]ime\b|\w+ Standard\b|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b"
    r"|(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z.]* \d"
)
_SPEAKER = re.compile(
    r"(?:[A-Z][\w.’'-]*\s+){1,5}(?:said|says|asked|asks|told|added|replied|wrote|shouted|warned"
    r"|answered|declared|exclaimed|wondered|cried|insisted|tweeted|posted)\b"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words(
    "Mr Mrs Ms Mx Messrs Dr Drs Prof Profs Mme Mlle Sra Srta Dra Hon Rev Fr Br Sr Sig Dott Smt Md"
    " Engr Ing Gral Alh Msgr Mgr Amb Sen Sens Rep Reps Gov Govs Cllr Atty Pres Sec Min Dep Asst Fmr"
    " Supt Insp Gen Gens Lt Col Cols Maj Capt Cmdr Comdr Cdr Cdre Flt Gp Wg Cpl Sgt Adm Brig Pvt"
    " Rt Ft Mt Dem H.E H.R.H H.M M.P"
)
_REFERENCES = _words(
    "no nos art arts para paras par sec secs res doc docs ch chap cl vol vols fig figs p pp reg ed"
    " annex rule supp"
)
_DATES = _words(
    "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri Sat Sun"
)
_NEVER_LAST = _words("vs v e.g i.e cf viz ca approx incl esp ret")
_OFTEN_LAST = _words("etc al bn mn tn km kg sq cm mm ft lb lbs hrs")
_SELDOM_LAST = _words("inc ltd co corp plc llc bros pty dept govt jr ph.d univ assn st s.p.a")
_WHOLE_WORDS = _words("no may me miss art ill ok con arc")  # to sentencex they are abbreviations
_LABELS = _words(
    "Plan Annex Appendix Article Section Part Schedule Group Category Option Track Phase Class Zone"
    " Area Type Chapter Pillar Basket Team Bloc War"
)
_BEGINNERS = _words(
    "The This That These Those A An He She It They We I You There Here In On At By For From With"
    " To Of After Before During Since When While If As But And Or Nor So Yet However Moreover"
    " Earlier Later Both Such Its His Her Their Our My Your Last Next Among Despite Although"
    " Meanwhile Though Because According Also Who What Why How Where Whether Under Some Many Most"
    " Several No Nobody None Neither Nothing Not All Each Every Then Thus Therefore Still Instead"
    " Nevertheless Today Yesterday Tomorrow Now Once Until Unlike Through Throughout Between Well"
    " Let Do Does Did Is Are Can Could Should Would Other Others Another Only Asked Speaking"
)


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop and what stands around it."""

    signs: str
    closers: str
    marks: str
    word: str  # before the stop, without opening marks: "ASEAN-U.S"
    word_before: str  # the one before that
    begins: bool  # the word is the first of its sentence
    free: bool  # a blank precedes the stop
    spaced: bool  # so does another stop, as in ". . ."
    following: str  # from the first letter, digit or other sign after the stop

    @property
    def next_word(self) -> str:
        """The word after the stop, with the point of an abbreviation but without a comma."""
        words = self.following.split(None, 2)
        if not words or words[:2] == ["Under", "Secretary"]:
            return ""
        return words[0].rstrip(",")

    @property
    def before_beginner(self) -> bool:
        """Whether the next word is a common first word of sentences."""
        return self.next_word in _BEGINNERS


def _lower_case_goes_on(stop: Stop) -> bool | None:
    following = stop.following.lstrip("-–— ")
    return False if following[:1].islower() and not _MIXED_CASE.match(following) else None


def _list_mark(stop: Stop) -> bool | None:
    return False if stop.begins and stop.signs == "." and _LIST_MARK.match(stop.word) else None


def _speaker_named(stop: Stop) -> bool | None:
    """“Who?” Judge Amara asked."""
    quoted = stop.signs[-1] in "!?" and stop.closers.strip(")]}")
    if quoted and not stop.before_beginner and _SPEAKER.match(stop.following):
        return False
    return None


def _abbreviation(stop: Stop) -> bool | None:
    if stop.signs != ".":
        return None
    word, folded = stop.word, stop.word.lower()
    if folded in _NEVER_LAST or (folded in _REFERENCES and _NUMBER.match(stop.following)):
        return False
    if word in _DATES and stop.following[:1].isdigit():
        return False
    if folded in _WHOLE_WORDS:
        return True
    if stop.closers:
        return None
    title = word.rpartition("-")[2]  # ex-Gen., Sec.-Gen.
    if title in _TITLES or (title.capitalize() in _TITLES and stop.next_word.isupper()):
        return False
    if folded in ("a.m", "p.m"):
        return not _CLOCK_GOES_ON.match(stop.following)
    if folded in _SELDOM_LAST or _DOTTED.match(word):
        return stop.before_beginner
    return True if folded in _OFTEN_LAST or (len(word) > 1 and word.isupper()) else None


def _initial(stop: Stop) -> bool | None:
    """J. D. Vance, but also Plan B."""
    if stop.signs != "." or stop.closers or not _INITIAL.match(stop.word):
        return None
    return stop.word_before in _LABELS or stop.before_beginner


def _footnote(stop: Stop) -> bool | None:
    return True if stop.marks else None


def _ellipsis(stop: Stop) -> bool | None:
    if stop.spaced or stop.signs.startswith(("...", "…")):
        return stop.before_beginner or not (stop.spaced or stop.free)
    return None


#: In order; the first that returns a verdict says whether the stop ends the sentence.
RULES: tuple[Callable[[Stop], bool | None], ...] = (
    _lower_case_goes_on,
    _list_mark,
    _speaker_named,
    _abbreviation,
    _initial,
    _footnote,
    _ellipsis,
)
