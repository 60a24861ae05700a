"""The hands that tell what is to be told outside. They live in the reconciler: no screening waits for a receiver."""

from typing import Final

from workers.keeper import give_back_all
from workers.outbound import deliveries, letters

GENTLE_SECONDS: Final = 3.0  # for what is being sent; the supervisor kills after 6.5


def start() -> None:
    """Start the hands. Nothing is sent before."""
    deliveries.CREW.start(deliveries.HANDS)
    letters.CREW.start(1)


def stop() -> None:
    """Take nothing more, wait a moment for what is being sent, and give back what is still held: it is sent again."""
    crews = (deliveries.CREW, letters.CREW)
    for crew in crews:
        crew.stop()
    ended = [crew.join(GENTLE_SECONDS / len(crews)) for crew in crews]
    if not all(ended):
        give_back_all()
