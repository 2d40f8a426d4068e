"""A flow that does not end by itself: give it a limit, ``--timeout 2``, or press Ctrl-C.

Collatz's conjecture says that halving the even numbers, and taking 3n + 1 of the odd ones, leads from
every number down to 1. Nobody has a proof, and nobody has a counterexample.
"""

from itertools import count

from hero_tracing import flow


def steps_until_lower(number: int) -> int:
    """How many steps lead from a number to a lower one; 0 if they lead back to itself."""
    value, steps = number, 0
    while steps == 0 or value > number:
        value = 3 * value + 1 if value % 2 else value // 2
        steps += 1
    return steps if value < number else 0


@flow(inputs={"start": "the first number to try, 2 or more"})
def endless(start: int = 2) -> int:
    """Search for a number from which Collatz's rule never leads to 1, for as long as it takes."""
    most_steps = 0
    for number in flow.track(count(max(start, 2)), "numbers"):
        steps = steps_until_lower(number)
        if steps == 0:
            break
        if steps > most_steps:
            most_steps = steps
            flow.log(f"{number} takes {steps} steps to a lower number")
    return number


if __name__ == "__main__":
    print(endless())
