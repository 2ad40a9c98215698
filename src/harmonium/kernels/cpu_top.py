"""Numba loop for the best items of several people: scores of all items in place, and the places of each list.

The definition is `ranking.shrunk` and `ranking.best` in NumPy.
"""

import numpy as np

from harmonium.kernels.jit import compiled, inlined

f32 = np.float32
BLOCK = 128  # items looked at together: most blocks hold none of the best


@inlined
def goes_before(a, of_a, i, b, of_b, j):
    """Whether item i with score a and n_ratings of_a ranks before item j: the more rated, then the smaller index."""
    if a != b:
        return a > b
    return of_a > of_b if of_a != of_b else i < j


@compiled
def best(liking, left_out, trusted, usual, n_ratings, places, item, score):
    """The best items of each person into item (n_people, most), -1 past the last, their scores into score.

    liking (n_people, n_items) becomes the scores, trusted (liking - usual) + usual; where left_out (n_people, n_items)
    is set, an item has no place. places (n_people,): how many each wants.
    """
    n_items = liking.shape[1]
    for who in range(liking.shape[0]):
        line, out, n, filled = liking[who], left_out[who], places[who], 0
        mine, of_mine = item[who], score[who]
        least = f32(-np.inf)
        for first in range(0, n_items, BLOCK):
            stop, found = min(first + BLOCK, n_items), 0
            for i in range(first, stop):
                s = trusted[i] * (line[i] - usual) + usual
                line[i] = s
                found += 1 if s >= least else 0
            if not found:
                continue
            for i in range(first, stop):
                s = line[i]
                if not s >= least or out[i]:
                    continue
                if filled == n:
                    last = mine[n - 1]
                    if not goes_before(s, n_ratings[i], i, least, n_ratings[last], last):
                        continue
                else:
                    filled += 1
                place = filled - 1
                while place > 0:
                    above = mine[place - 1]
                    if not goes_before(s, n_ratings[i], i, of_mine[place - 1], n_ratings[above], above):
                        break
                    mine[place], of_mine[place] = above, of_mine[place - 1]
                    place -= 1
                mine[place], of_mine[place] = i, s
                if filled == n:
                    least = of_mine[n - 1]
        for place in range(filled, item.shape[1]):
            mine[place] = -1
