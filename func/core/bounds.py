"""The annotation's size limit.

A dropped signal leaves a time bound for its pull request, so that a lost revocation can only refuse signals, never open
a gate.
"""

from __future__ import annotations

from datetime import datetime

from func.core.fold import Identity, fold, is_withdrawal, latest_review_of, latest_reviews
from func.core.reasons import Verdict
from func.core.rules import Rules
from func.core.signals import EVERY, LATEST, Signal, State, pull_request_key
from func.core.situation import Situation

MAX_SIGNALS = 64
MAX_BYTES = 64 * 1024
_MAX_BOUNDS = 32  # pull requests
_REVOKED = ("revoked", "pull-request-gone")


def bounded(situation: Situation) -> tuple[State, str]:
    """Return the state within the bounds, and its text.

    Revoked signals go first, then overtaken ones, then the oldest. A signal that something revokes can go without a
    bound, because what revokes it stays. A signal that may revoke others leaves one: its pull request's signals up to
    then are no longer accepted. Requested changes that still block approvals go last, and leave a bound without end.
    Where no signal is left, the oldest uses go.
    """
    state = situation.state
    while len(state.signals) > MAX_SIGNALS or len((text := state.text()).encode()) > MAX_BYTES:
        if state.signals:
            state = _without(state, _victim(situation.with_state(state)), situation.rules)
        else:
            state = _without_oldest_use(state)
    return state, text


def _victim(situation: Situation) -> Signal:
    state = situation.state
    verdicts: dict[Identity, Verdict] = {}
    standing: set[Identity] = set()
    earlier = _earlier_reviews(state)
    for identifier in situation.rules.gate_ids:
        folded = fold(situation, identifier)
        verdicts.update(folded.verdicts)
        standing |= {signal.identity for each in folded.standings for signal in each.signals}

    claimed = {use.identity for use in state.claims}

    def rank(signal: Signal) -> tuple[int, datetime, str]:
        verdict = verdicts.get(signal.identity)
        if signal.identity in claimed:
            place = 5  # whoever finishes the claim needs its outputs and its message
        elif signal.identity in earlier or (signal.gate and verdict and signal.review is None):
            place = 0 if verdict and verdict.code in _REVOKED else 1
        elif signal.verdict == "changes_requested":
            place = 4  # it blocks all approvals to come
        elif signal.identity in standing:
            place = 3
        else:
            place = 2
        return place, signal.happened, signal.id

    return min(state.signals, key=rank)


def _earlier_reviews(state: State) -> set[Identity]:
    """Return the reviews after which the same person has reviewed the pull request again."""
    reviews = latest_reviews(state.signals)
    latest = ((signal, latest_review_of(signal, reviews)) for signal in state.signals)
    return {signal.identity for signal, review in latest if review and review.identity != signal.identity}


def _without(state: State, victim: Signal, rules: Rules) -> State:
    """Return the state without a signal, with the bound that it leaves."""
    signals = tuple(each for each in state.signals if each is not victim)
    matched = rules.match(victim)
    fails = matched is not None and matched[1].then == "fail"  # it overtakes what opens
    may_revoke = (
        fails
        or victim.gone is not None
        or victim.review is not None
        or any(is_withdrawal(victim, rule, rules) for _, rule in rules.each_rule())
    )
    # Anybody can open pull requests from forks, as many as it takes to make the bounds one for all. Where no signal of
    # theirs can count, there is nothing that their revocations protect.
    is_idle = victim.fork and not rules.may_accept_forks
    if state.use_of(victim.identity) or (not is_idle and (may_revoke or victim.gate is None)):
        blocks = victim.verdict == "changes_requested" and victim.identity not in _earlier_reviews(state)
        of = victim.pull_request or (EVERY if fails else None)
        state = _refusing(state, of, LATEST if blocks else victim.happened)
        if fails:  # it overtakes what names no pull request too
            state = _refusing(state, None, victim.happened)
    state = state._replace(signals=signals)
    return _without_oldest_use(state) if len(state.used) > MAX_SIGNALS else state


def _without_oldest_use(state: State) -> State:
    """Return the state without a use, of another pull request than that of the Workflow where there is one."""
    bound = pull_request_key(state.bound)
    oldest = next((use for use in state.used if pull_request_key(use.pull_request) != bound), state.used[0])
    state = state._replace(used=tuple(use for use in state.used if use is not oldest))
    # Its event is no longer known as used, nor is it known that older signals come too late.
    return _refusing(state, oldest.pull_request or EVERY, oldest.happened)


def _refusing(state: State, pull_request: str | None, until: datetime) -> State:
    """Return the state with a bound: signals of a pull request that happened up to then are not accepted."""
    forgotten = dict(state.forgotten)
    name = pull_request_key(pull_request)
    forgotten[name] = max(until, forgotten.get(name, until))
    while len(forgotten) > _MAX_BOUNDS:
        oldest = min((name for name in forgotten if name != EVERY), key=lambda name: (forgotten[name], name))
        until = forgotten.pop(oldest)
        forgotten[EVERY] = max(until, forgotten.get(EVERY, until))
    return state._replace(forgotten=forgotten)
