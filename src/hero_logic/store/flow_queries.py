"""Every SQL statement of the library, by name; what holds in queries.py holds here."""

from collections.abc import Sequence

FLOW_COLUMNS = (
    "library_flows.flow_sid, library_flows.name,"
    " CASE said_description WHEN '' THEN source_description ELSE said_description END,"
    " tags, is_archived, library_flows.version_sid, kind, library_flows.versions,"
    " library_flows.created_ms, published_ms, revision"
)
"""A flow, as :func:`hero_logic.store.flow_rows.flow` reads it."""

_FLOWS = (
    f"SELECT id, published, {FLOW_COLUMNS} FROM library_flows"  # noqa: S608 - columns are a constant
    " JOIN versions USING (version_sid)"
)

FLOW_BY_SID = f"{_FLOWS} WHERE library_flows.flow_sid = ?"
"""A flow by its sid: its id, the row of its words, then ``FLOW_COLUMNS``."""

FLOW_BY_NAME = f"{_FLOWS} WHERE library_flows.name = ?"
"""The same by its name."""

LIST_FLOWS = f"{_FLOWS} WHERE is_archived = ? AND id < ? ORDER BY id DESC LIMIT ?"
"""Flows that were first published before the one of that id, the last first."""

NEWEST_FLOWS = f"{_FLOWS} WHERE NOT is_archived ORDER BY published DESC LIMIT ?"
"""Flows, the one of which something was published last first."""

FLOW_BY_PUBLISHED = f"{_FLOWS} WHERE published = ?"
"""A flow by the row of its words."""

FLOW_BY_KEY = (
    "SELECT published FROM library_flows WHERE name_key = ? AND NOT is_archived"
    " ORDER BY published DESC LIMIT ?"
)
"""Flows whose names have these words and no others."""

FIND_FLOW = "SELECT id, said_description, tags, published FROM library_flows WHERE name = ?"
"""What of a flow may stay when something is published under its name."""

ADD_FLOW = """
    INSERT INTO library_flows (
        name_key, said_description, source_description, tags, is_archived, version_sid, published_ms,
        published, revision, flow_sid, name, versions, created_ms
    ) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, 1, ?)
"""
"""Add a flow with its first version."""

CHANGE_FLOW = """
    UPDATE library_flows SET name_key = ?, said_description = ?, source_description = ?, tags = ?,
        is_archived = 0, version_sid = ?, published_ms = ?, published = ?, revision = ?,
        versions = (SELECT count(*) FROM library_versions WHERE flow = library_flows.id)
    WHERE id = ?
"""
"""Write what was published of a flow."""

ARCHIVE_FLOW = "UPDATE library_flows SET is_archived = ?, revision = ? WHERE id = ?"
"""Say whether a flow is archived."""

DELETE_FLOW = "DELETE FROM library_flows WHERE id = ?"
"""Remove a flow."""

# --- versions ----------------------------------------------------------------------------------------

ADD_VERSION = """
    INSERT OR IGNORE INTO library_versions (flow, number, version_sid, created_ms)
    SELECT ?, coalesce(max(number), 0) + 1, ?, ? FROM library_versions WHERE flow = ?
"""
"""Give a flow a version unless it has it: flow, version_sid, created_ms, flow."""

FLOW_VERSIONS = """
    SELECT library_versions.version_sid, number, kind, library_versions.created_ms,
        library_versions.version_sid = ?, length(CAST(source AS BLOB))
    FROM library_versions JOIN versions USING (version_sid)
    WHERE flow = ? AND number < ? ORDER BY number DESC LIMIT ?
"""
"""Versions of a flow before one of that number, in the order of the fields of ``PublishedVersion``."""

FIND_VERSIONS = """
    SELECT version_sid FROM library_versions INDEXED BY library_versions_of_flow
    WHERE flow = ? AND version_sid >= ? AND version_sid < ? LIMIT ?
"""
"""Versions of a flow between two sids."""

COUNT_PLAYS = """
    SELECT count(*) FROM (
        SELECT 1 FROM library_versions
        CROSS JOIN plays INDEXED BY plays_by_version
        ON plays.version_sid = library_versions.version_sid AND plays.version_sid <> ''
        WHERE library_versions.flow = ? LIMIT ?
    )
"""
"""How many plays ran a version of a flow, up to a limit."""

VERSIONS_OF = "SELECT version_sid FROM library_versions WHERE flow = ?"
"""The sids of a flow's versions."""

DELETE_VERSIONS_OF = "DELETE FROM library_versions WHERE flow = ?"
"""Take all versions from a flow."""

DROP_VERSION = """
    DELETE FROM versions WHERE version_sid = ?
        AND NOT EXISTS (
            SELECT 1 FROM library_versions WHERE library_versions.version_sid = versions.version_sid
        )
        AND NOT EXISTS (
            SELECT 1 FROM plays INDEXED BY plays_by_version
            WHERE plays.version_sid = versions.version_sid AND plays.version_sid <> ''
        )
"""
"""Remove a version that no flow has and no play ran."""

SOURCE_OF = "SELECT source FROM versions WHERE version_sid = ?"
"""The source of a version."""

# --- words -------------------------------------------------------------------------------------------

ADD_WORDS = "INSERT INTO library_index (rowid, name, description, tags, source) VALUES (?, ?, ?, ?, ?)"
"""Add the words of a flow."""

GET_WORDS = "SELECT name, description, tags FROM library_index WHERE rowid = ?"
"""The words of a flow, but for those of its source."""

GET_SOURCE_WORDS = "SELECT source FROM library_index WHERE rowid = ?"
"""The words of a flow's source."""

PLACES = "SELECT rowid FROM library_index WHERE library_index MATCH ? LIMIT ?"
"""The flows that are matched, in any order."""

DROP_WORDS = "DELETE FROM library_index WHERE rowid = ?"
"""Remove the words of a flow."""

HAS_WORD = "SELECT 1 FROM library_index WHERE library_index MATCH ? LIMIT 1"
"""Whether anything matches."""

ADD_TERM = "INSERT OR IGNORE INTO library_terms (term) VALUES (?)"
"""Add a word that may be meant."""

TERM_ID = "SELECT id FROM library_terms WHERE term = ?"
"""The id of such a word."""

DROP_TERM = "DELETE FROM library_terms WHERE id = ?"
"""Remove such a word."""

ADD_GRAM = "INSERT OR IGNORE INTO library_grams (gram, term) VALUES (?, ?)"
"""Add a piece of a word."""

DROP_GRAM = "DELETE FROM library_grams WHERE gram = ? AND term = ?"
"""Remove a piece of a word."""

NEAR_TERMS = """
    SELECT library_terms.term FROM library_grams
    JOIN library_terms ON library_terms.id = library_grams.term
    WHERE gram IN (SELECT value FROM json_each(?)) AND length(library_terms.term) BETWEEN ? AND ?
    GROUP BY library_terms.id ORDER BY count(*) DESC, library_terms.id LIMIT ?
"""
"""Words of some lengths that share pieces with one, those that share most first."""

# --- the search --------------------------------------------------------------------------------------


def match(columns: Sequence[str], word: str, *, is_prefix: bool) -> str:
    """What finds a word in some columns; the word is letters and digits (core/search_text.py)."""
    return f'({{{" ".join(columns)}}} : "{word}"{" *" if is_prefix else ""})'


MATCHES = "SELECT rowid AS place, {} AS word, {} AS score FROM library_index WHERE library_index MATCH ?"
"""The flows that one match finds, as a part of ``SEARCH``."""


def search(matches: int) -> str:
    """The statement that joins so many matches: of each flow, how many words it has, and the sum of their
    best.

    For each match three values: the number of the word, the score, and what to match; then the limit.
    """
    union = " UNION ALL ".join([MATCHES.format("?", "?")] * matches)
    return f"""
        SELECT place, count(*) AS words, sum(best) AS score FROM (
            SELECT place, max(score) AS best FROM ({union}) GROUP BY place, word
        )
        GROUP BY place ORDER BY words DESC, score DESC, place DESC LIMIT ?
    """  # noqa: S608 - a number of constants
