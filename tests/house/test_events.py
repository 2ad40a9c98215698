"""Events have one vocabulary: kinds are plain words, no two alike, and whatever learns, a pass is an epoch."""

from harmonium.events import Event


def test_kinds_are_plain_words_and_those_of_passes_end_with_epoch():
    kinds = {event.__name__: event.kind for event in Event.__subclasses__()}
    assert len(set(kinds.values())) == len(kinds)
    for name, kind in kinds.items():
        assert kind.replace(" ", "").isalpha() and kind == kind.lower(), name
        assert kind.endswith("epoch") == ("Epoch" in name), name
