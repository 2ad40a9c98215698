"""Questions that wait at the same time are answered together: one pass over the weights serves them all."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

MOST_TOGETHER = 32


@final
class Batcher:
    """Hands what waits to one thread, batch by batch; nobody waits for a batch to fill.

    Parameters
    ----------
    answer : callable
        Answers a list of questions with as many answers; an answer that is an exception is raised to who asked.
    """

    def __init__(self, answer: Callable[[Sequence[Any]], Sequence[Any]]):
        self._answer = answer
        self._waiting: list[tuple[Any, asyncio.Future]] = []
        self._busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="harmonium-batch")

    async def ask(self, question: Any) -> Any:
        """The answer to one question.

        Parameters
        ----------
        question : object
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if not self._busy:
            self._next()
        return await future

    def _next(self) -> None:
        batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        self._busy = bool(batch)
        if batch:
            run = asyncio.get_running_loop().run_in_executor(
                self._thread, self._answers, [question for question, _ in batch]
            )
            run.add_done_callback(lambda done: self._finish(batch, done.result()))

    def _answers(self, questions: Sequence[Any]) -> Sequence[Any]:
        try:
            return self._answer(questions)
        except Exception as error:
            return [error] * len(questions)

    def _finish(self, batch: list[tuple[Any, asyncio.Future]], answers: Sequence[Any]) -> None:
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # whoever asked has gone
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._next()

    def close(self) -> None:
        """Let the thread end once it has answered what it has."""
        self._thread.shutdown(wait=True)
