"""Plain English sentences to what they say: the one reader, for those who learn from them and those who judge them.

reading   a text to what its sentences say      start here
forms     the forms of sentences
pointing  a sentence that says no more than where something is
words     the words that these are made of
"""

from robomem.sentences.reading import Reading, Saying, read
from robomem.sentences.words import is_place

__all__ = ["Reading", "Saying", "is_place", "read"]
