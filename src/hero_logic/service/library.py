"""Finding flows of the library by words."""

from __future__ import annotations

from hero_logic.core.library import FoundFlows
from hero_logic.core.search_text import MAX_QUERY_CHARS, MAX_WORDS, index_words, query_words
from hero_logic.service.flows import page_limit
from hero_logic.store.contract import Store

MAX_FOUND = 100


class Library:
    """The search, over one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def search(self, query: str = "", *, limit: int = 20) -> FoundFlows:
        """Flows that a query finds, the best first; one without words finds the newest.

        Words are found by their beginnings, in small letters, without accents, and with a typo or two where
        nothing is called so. A name counts more than a description, that more than tags, and those more
        than the source; among equals the newest comes first. No query is an error: what is neither letter
        nor digit parts words.

        Raises:
            UsageError: no number of flows.
        """
        limit = min(page_limit(limit), MAX_FOUND)
        words = query_words(query)
        if not words:
            return FoundFlows(query, self.store.newest_flows(limit=limit))
        found = self.store.search_flows(words, limit=limit)
        if not found:
            # Of fetchPrices both parts may be words of what is called fetch_prices.
            parts = [word for word in index_words([query[:MAX_QUERY_CHARS]]) if word not in words]
            found = self.store.search_flows(parts[:MAX_WORDS], limit=limit) if parts else []
        return FoundFlows(query, found)
