"""Questions that come at the same time are answered together: one pass over the weights serves them all."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, final

MOST_TOGETHER = 32


@final
class Batcher:
    """Answers what came in since the event loop last looked, in the loop itself; nobody waits for a batch to fill.

    An answer takes less time than handing it to a thread and back, and processes, not threads, share out the cores.

    Parameters
    ----------
    answer : callable
        Answers a list of questions with as many answers; an answer that is an exception is raised to who asked.
    """

    def __init__(self, answer: Callable[[Sequence[Any]], Sequence[Any]]):
        self._answer = answer
        self._waiting: list[tuple[Any, asyncio.Future]] = []

    async def ask(self, question: Any) -> Any:
        """The answer to one question.

        Parameters
        ----------
        question : object
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)  # after all that has been read in this turn of the loop
        self._waiting.append((question, future))
        return await future

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        batch = [(question, future) for question, future in batch if not future.done()]  # some may have gone
        if not batch:
            return
        try:
            answers = self._answer([question for question, _ in batch])
        except Exception as error:
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
