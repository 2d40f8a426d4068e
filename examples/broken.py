"""A flow that fails, three steps deep: the tree shows where, and what had gone well before.

One price in the table has the letter ``o`` where a zero should be.
"""

import csv

from hero_tracing import flow

TABLE = """\
item,price
tea,4.20
honey,7.95
bread,2.3o
butter,3.10
"""


@flow.step("write the price list")
def write_price_list() -> list[str]:
    """The table, as lines."""
    lines = TABLE.splitlines()
    flow.tag(lines=len(lines))
    return lines


@flow.step("add up the prices")
def add_up(lines: list[str]) -> float:
    """The sum of all prices."""
    total = 0.0
    for number, row in enumerate(csv.DictReader(lines), start=1):
        with flow.step(f"row {number}", item=row["item"]):
            total += read_price(row["price"])
    return total


@flow.step("read the price")
def read_price(text: str) -> float:
    """The price as a number."""
    flow.tag(text=text)
    return float(text)


@flow
def broken() -> float:
    """Add up a price list that has a mistake in it."""
    return add_up(write_price_list())


if __name__ == "__main__":
    print(broken())
