"""Draws that are keyed: even, the same at every call, and of no use to whoever lacks the key."""

from uuid import uuid4

from screening.studies.draws import chance

MANY = 4000


def test_a_share_is_drawn_of_many_subjects_and_one_more_is_never_at_or_above_one():
    told = [chance("k" * 64, "sample", uuid4()) for _ in range(MANY)]

    assert all(0 <= one < 1 for one in told)
    assert 0.07 < sum(one < 0.1 for one in told) / MANY < 0.13  # five standard errors and more


def test_the_same_subject_is_drawn_the_same_way_at_every_call():
    study = uuid4()

    assert len({chance("key", "sample", study, 1) for _ in range(5)}) == 1


def test_another_key_another_purpose_and_another_subject_draw_independently():
    study = uuid4()
    told = {chance(key, why, study, n) for key in ("a", "b") for why in ("sample", "second") for n in (1, 2)}

    assert len(told) == 8
