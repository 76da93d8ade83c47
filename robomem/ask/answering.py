"""A question answered: words to a query, its hits to a sentence."""

from collections.abc import Callable

from robomem.ask import compose, grammar
from robomem.ask.canonical import render
from robomem.ask.language_model import LanguageModel, understand
from robomem.ask.recall import Recaller
from robomem.ask.timebase import Timebase
from robomem.config import AskConfig
from robomem.errors import QueryError
from robomem.query import Query
from robomem.types import Answer


class Answerer:
    """Answers questions from what a recaller finds.

    Args:
        recaller: It.
        config: How words are understood.
        model: Asked what a question means that the grammar does not understand; by default the one that the
            settings name, if any.
    """

    def __init__(
        self, recaller: Recaller, config: AskConfig, *, model: LanguageModel | None = None
    ) -> None:
        self._recaller = recaller
        self._config = config
        self._given_model = model

    def understand(
        self, question: str, timebase: Timebase, *, names: Callable[[], list[str]]
    ) -> Query:
        """Return what a question asks: the grammar knows, or else the model may say, which can take seconds.

        Args:
            question: In words.
            timebase: What its times are relative to.
            names: Gives what things are called, for the model.
        """
        try:
            return grammar.parse(
                question,
                now_ns=timebase.now_ns,
                start_ns=timebase.start_ns,
                timezone=timebase.timezone,
            )
        except QueryError as err:
            model = self._model()
            if model is None:
                raise
            try:
                return understand(
                    question,
                    model,
                    timebase=timebase,
                    names=names(),
                    attempts=self._config.model_attempts,
                )
            except QueryError as unknown:
                raise unknown from err

    def answer(self, question: str, query: Query, timebase: Timebase) -> Answer:
        """Answer a question that asks this."""
        answer = compose.compose(
            question,
            query,
            self._recaller.recall(query),
            now_ns=timebase.now_ns,
            start_ns=timebase.start_ns,
            timezone=timebase.timezone,
        )
        return answer if answer.hits else compose.with_reason(answer, self._why(query, timebase))

    def _model(self) -> LanguageModel | None:
        if self._given_model is not None or self._config.model_url is None:
            return self._given_model
        from robomem.ask.endpoint import Endpoint

        return Endpoint(self._config)

    def _why(self, query: Query, timebase: Timebase) -> str | None:
        """Say what else would have to be known for an answer."""
        room = self._recaller.unknown_room(query)
        if room is not None:
            return f'I know no room called "{room}".'
        held = self._recaller.held_back(query)
        if held:
            return f"I hold back {held} that I was told, until something confirms it."
        told = self._recaller.told_place(query)
        if told is not None:
            return f"But {told}."
        unknown = self._recaller.unknown(query)
        if unknown is None:
            return None
        words = render(unknown, start_ns=timebase.start_ns, timezone=timebase.timezone)
        return f"I know no answer to: {words}?"
