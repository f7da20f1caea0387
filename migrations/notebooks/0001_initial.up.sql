-- notebooks.db: Jupyter notebooks and their versions. Users live in forums.db; ids refer to them.

CREATE TABLE notebooks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id   INTEGER NOT NULL,
    title      TEXT    NOT NULL,
    slug       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version    INTEGER NOT NULL DEFAULT 0,          -- the current one
    deleted_at INTEGER
) STRICT;
CREATE INDEX notebooks_latest   ON notebooks (updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX notebooks_by_owner ON notebooks (owner_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE notebook_versions (
    notebook_id INTEGER NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
    version     INTEGER NOT NULL,                   -- from 1
    editor_id   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    comment     TEXT    NOT NULL DEFAULT '',
    html        TEXT    NOT NULL,                   -- sanitised
    document    TEXT    NOT NULL,                   -- nbformat JSON, last: it can be large
    PRIMARY KEY (notebook_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE done_commands (
    key     BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 16),
    done_at INTEGER NOT NULL,
    outcome BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX done_commands_by_age ON done_commands (done_at);

CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
