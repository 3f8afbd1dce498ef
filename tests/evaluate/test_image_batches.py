"""The plan of padded batches, and the sizes that it is made from."""

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate.image_batches import plan_batches, read_sizes


def test_a_plan_is_exact_if_nothing_has_to_be_masked():
    sizes = {0: (4, 6), 1: (4, 6), 2: (82, 20), 3: (80, 20)}
    plans = list(plan_batches(sizes, lambda shape, images: images))
    exact = {i: plan.exact for plan in plans for i in plan.indices}
    assert exact == {0: True, 1: True, 2: False, 3: False}
    assert [plan.slots for plan in plans] == [2, 2]
    assert list(plan_batches({}, lambda *_: 1)) == []


def test_sizes_and_errors_keep_the_order_of_the_source():
    class Headers:
        def __len__(self):
            return 90

        def size(self, i):
            if i % 40 == 7:
                raise BadFileError(f"{i}.png is empty.")
            return i, 50

    sizes, errors = read_sizes(Headers(), crop=30)
    good = [i for i in range(90) if i % 40 != 7]
    assert list(sizes.items()) == [(i, (min(i, 30), 30)) for i in good]
    names = [str(error) for error in errors]
    assert names == [f"{i}.png is empty." for i in (7, 47, 87)]
