"""The smallest flow: one input, two steps, one output."""

from hero_tracing import flow


@flow
def greet(name: str = "world") -> str:
    """Greet somebody, politely."""
    with flow.step("choose words", name=name) as step:
        words = f"Hello, {name}!"
        step.tag(letters=len(words))
    with flow.step("say it"):
        print(words)
    return words


if __name__ == "__main__":
    print(greet())
