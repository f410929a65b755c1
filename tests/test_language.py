"""Prose is plain, modern English: a short list of phrases that must not come back (CONTRIBUTING.md)."""

import io
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parent.parent
BANNED = {
    r"on doubt": "when in doubt",
    r"anew": "again",
    r"beside": "next to, compared with, in addition to",
    r"whom": "rewrite the sentence",
    r"nobody|somebody|everybody": "no one, someone, everyone",
    r"goes on|go on|went on": "continues",
    r"for good": "permanently",
    r"stands? (?:in(?! front)|there|beside)": "is in",
    r"(?:is|are|was|were|been|being) (?:told (?!apart)|looked at|let in|put up with)": "rewrite the sentence",
    r"lately": "recently",
    r"is not there": "does not exist, is missing",
    r"says? (?:who|what|that it)": "reports",
    r"mend(?:s|ed)?": "fix",
    r"an enemy's|of an enemy": "hostile",
    r"take(?:s|n)? away": "remove",
    r"cannot be had": "is unavailable",
    r"in a row of": "rewrite the sentence",
}
PATTERN = re.compile(r"\b(?:" + "|".join(BANNED) + r")\b", re.IGNORECASE)
CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|https?://\S+", re.DOTALL)
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(path for name in ("models", "tools", "benchmarks", "packages") for path in sorted((ROOT / name).rglob("*.md"))),
    ROOT / "Makefile",
    *(ROOT / name for name in ("config.yaml", "trust.yaml", "docs/door.yaml")),
]
SOURCES = [path for folder in ("edgeface", "tools", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
PAGES = sorted((ROOT / "edgeface" / "web" / "templates").iterdir())


def prose(path: Path) -> str:
    """The text of a file that a person reads: of Python its comments and strings, of others everything but code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return CODE.sub(" ", text)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    kept = [token.string for token in tokens if token.type in {tokenize.COMMENT, tokenize.STRING}]
    # A word of the MQTT contract, as a value.
    kept = [text for text in kept if text != '"nobody"']
    return CODE.sub(" ", "\n".join(kept))


def test_prose_has_no_phrase_of_the_list() -> None:
    files = {str(path.relative_to(ROOT)): prose(path) for path in (*DOCUMENTS, *SOURCES, *PAGES)}
    found = {name: [match.group() for match in PATTERN.finditer(text)] for name, text in files.items()}
    assert {name: phrases for name, phrases in found.items() if phrases} == {}
