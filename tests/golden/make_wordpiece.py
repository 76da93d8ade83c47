# ruff: noqa: RUF001
"""Make wordpiece.json: texts, and what Hugging Face's tokenizers make of them with the same pieces.

pip install tokenizers, then run this file.
"""

import json
from pathlib import Path

from tokenizers import BertWordPieceTokenizer

HERE = Path(__file__).parent
PIECES = HERE.parents[1] / "robomem/ask/wordpieces.txt"
MOST = 24
TEXTS = [
    "", "   ", "where is the red mug?", "The quick brown fox's tail", "Café naïve Ünïcode’s “quotes”", "e\u0301clair",
    "中文 mixed text", "x\u200by\u0000z\ufeff", "emoji 🙂 test", "İstanbul ẞ ﬁ", "foo_bar $5.00+3<4`^~|", "Ω≈ç√∫˜µ≤≥÷", "ｆｕｌｌ",
    "tab\tnew\nline\u00a0blank", "unaffable antidisestablishmentarianism", "a" * 100, "a" * 101, "word " * 40,
]  # fmt: skip

tokenizer = BertWordPieceTokenizer(str(PIECES), lowercase=True)
tokenizer.enable_truncation(max_length=MOST)
ids = [tokenizer.encode(text).ids for text in TEXTS]
golden = {"most": MOST, "texts": TEXTS, "ids": ids}
(HERE / "wordpiece.json").write_text(json.dumps(golden, indent=1) + "\n")
