"""What the broker refuses, from a socket's state to the cell: ``!`` in the chain and the reason in the list of legs."""

from __future__ import annotations

from dataclasses import replace

from tests.support.prepared_backend import chain_tokens
from tests.tui.driving import Driven, driven
from tickertui.tui.view.data_states import DataState


def refuse(run: Driven, *tokens: int) -> None:
    """Let the first socket of the first account say that the broker refuses these."""
    first, *others = run.backend.state.accounts
    sockets = (replace(first.connections[0], refused=frozenset(tokens)), *first.connections[1:])
    run.backend.state = replace(run.backend.state, accounts=(replace(first, connections=sockets), *others))


async def slow_frame(run: Driven) -> None:
    run.main._frames = 0
    run.main.frame()
    await run.pilot.pause()


async def test_a_refused_leg_is_an_error_in_the_chain_until_the_broker_serves_it() -> None:
    async with driven(size=(120, 40)) as run:
        frame = run.chain.current_frame
        assert frame is not None
        row = int(abs(frame.strikes - frame.underlying.price).argmin())
        token = int(chain_tokens(run.backend)[row, 0])
        run.backend.board.clear([token])
        refuse(run, token)
        await slow_frame(run)
        frame = run.chain.current_frame
        assert frame is not None
        assert frame.token(row, 0) == token
        assert frame.states[row, 0] == DataState.ERROR
        assert (frame.states == DataState.ERROR).sum() == 1
        strike = f"{frame.strikes[row]:,.0f}"
        (line,) = [text for text in run.text() if strike in text and "!" in text.split(strike)[0]]
        assert "—!" in line.replace(" ", "")
        refuse(run)
        await slow_frame(run)
        frame = run.chain.current_frame
        assert frame is not None
        assert not (frame.states == DataState.ERROR).any()
