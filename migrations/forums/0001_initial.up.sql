-- forums.db: accounts, forum, wiki. Times are milliseconds since 1970 (UTC). Ids are never reused.
-- Rows that are deleted by people keep their place with deleted_at set.

-- ---------------------------------------------------------------- accounts

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL,
    name_key      TEXT    NOT NULL UNIQUE,          -- lower case, spaces as underscores
    display_name  TEXT    NOT NULL DEFAULT '',
    role          INTEGER NOT NULL DEFAULT 1 CHECK (role BETWEEN 1 AND 3),
    password_hash TEXT,                             -- PHC string; NULL: cannot log in (imported)
    post_count    INTEGER NOT NULL DEFAULT 0,
    edit_count    INTEGER NOT NULL DEFAULT 0,       -- wiki revisions
    created_at    INTEGER NOT NULL,
    disabled_at   INTEGER
) STRICT;

CREATE TABLE sessions (
    token_hash BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),  -- of the token, never the token
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    user_agent TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id, seen_at DESC);
-- The seed's partial index on datetime('now') makes every INSERT fail (it is not deterministic).
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash BLOB    NOT NULL UNIQUE CHECK (length(token_hash) = 32),       -- SHA-256 of the token
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

-- ---------------------------------------------------------------- forum

CREATE TABLE categories (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    slug        TEXT    NOT NULL,
    description TEXT    NOT NULL DEFAULT '',
    position    INTEGER NOT NULL DEFAULT 0,
    topic_count INTEGER NOT NULL DEFAULT 0,
    post_count  INTEGER NOT NULL DEFAULT 0,
    locked      INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX categories_by_position ON categories (position, id);

CREATE TABLE topics (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    category_id    INTEGER NOT NULL REFERENCES categories (id),
    title          TEXT    NOT NULL,
    slug           TEXT    NOT NULL,
    author_id      INTEGER NOT NULL REFERENCES users (id),
    created_at     INTEGER NOT NULL,
    last_post_at   INTEGER NOT NULL,
    last_author_id INTEGER NOT NULL REFERENCES users (id),
    post_count     INTEGER NOT NULL DEFAULT 0,      -- not counting deleted ones
    last_number    INTEGER NOT NULL DEFAULT 0,      -- highest post number given out
    view_count     INTEGER NOT NULL DEFAULT 0,
    like_count     INTEGER NOT NULL DEFAULT 0,
    pinned         INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    locked         INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
    deleted_at     INTEGER
) STRICT;
CREATE INDEX topics_latest      ON topics (last_post_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX topics_by_category ON topics (category_id, last_post_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX topics_by_author   ON topics (author_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX topics_pinned      ON topics (category_id, last_post_at DESC) WHERE pinned = 1 AND deleted_at IS NULL;

-- Clustered in reading order: a page of a tree is one range read of neighbouring rows, at any depth.
-- With pages of 8 KiB a row of up to 2,030 bytes stays whole (docs/decisions/0006-threads.md).
CREATE TABLE posts (
    topic_id    INTEGER NOT NULL REFERENCES topics (id),
    path        BLOB    NOT NULL,                   -- domain's ThreadPath
    id          INTEGER NOT NULL,
    number      INTEGER NOT NULL,                   -- within the topic, from 1
    parent_id   INTEGER,                            -- the post answered, if any
    depth       INTEGER NOT NULL,                   -- levels above
    reply_count INTEGER NOT NULL DEFAULT 0,         -- direct replies
    author_id   INTEGER NOT NULL REFERENCES users (id),
    category_id INTEGER NOT NULL,                   -- the topic's
    created_at  INTEGER NOT NULL,
    edited_at   INTEGER,
    like_count  INTEGER NOT NULL DEFAULT 0,
    deleted_at  INTEGER,
    html        TEXT    NOT NULL,                   -- sanitised
    PRIMARY KEY (topic_id, path)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX posts_by_id      ON posts (id);
CREATE UNIQUE INDEX posts_by_number  ON posts (topic_id, number);
CREATE INDEX posts_by_author         ON posts (author_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX posts_by_category       ON posts (category_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- What the author wrote, every version of it; the newest is current.
CREATE TABLE post_revisions (
    post_id    INTEGER NOT NULL REFERENCES posts (id),
    version    INTEGER NOT NULL,                    -- from 1
    editor_id  INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    comment    TEXT    NOT NULL DEFAULT '',
    format     TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    PRIMARY KEY (post_id, version)
) STRICT, WITHOUT ROWID;

-- Search text, kept in step by the writer in the same transaction. Contentless: nothing is stored twice.
CREATE VIRTUAL TABLE posts_fts USING fts5 (
    title, body, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);

-- ---------------------------------------------------------------- wiki

CREATE TABLE namespaces (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    name_key     TEXT    NOT NULL UNIQUE,           -- lower case
    number       INTEGER,                           -- MediaWiki's, which says what kind it is: 14 categories
    first_letter INTEGER NOT NULL DEFAULT 1 CHECK (first_letter IN (0, 1))
) STRICT;
INSERT INTO namespaces (id, name, name_key, number) VALUES
    (1, '', '', 0), (2, 'Category', 'category', 14), (3, 'User', 'user', 2),
    (4, 'Help', 'help', 12), (5, 'Template', 'template', 10), (6, 'File', 'file', 6), (7, 'Project', 'project', 4);

CREATE TABLE pages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace_id INTEGER NOT NULL REFERENCES namespaces (id),
    title        TEXT    NOT NULL,                  -- without namespace, spaces not underscores
    revision_id  INTEGER NOT NULL,                  -- the current one
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    redirect_to  TEXT,                              -- full title, when the page redirects
    protected    INTEGER NOT NULL DEFAULT 0 CHECK (protected IN (0, 1)),
    deleted_at   INTEGER,
    html         TEXT    NOT NULL                   -- sanitised, of the current revision
) STRICT;
CREATE UNIQUE INDEX pages_by_title ON pages (namespace_id, title);
CREATE INDEX pages_latest ON pages (updated_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE revisions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    page_id     INTEGER NOT NULL REFERENCES pages (id),
    parent_id   INTEGER,
    author_id   INTEGER REFERENCES users (id),      -- NULL: see author_name
    author_name TEXT    NOT NULL DEFAULT '',        -- address or name of one without an account
    created_at  INTEGER NOT NULL,
    comment     TEXT    NOT NULL DEFAULT '',
    minor       INTEGER NOT NULL DEFAULT 0 CHECK (minor IN (0, 1)),
    size        INTEGER NOT NULL,                   -- bytes of source
    format      TEXT    NOT NULL,
    source      TEXT    NOT NULL                    -- last, so that lists need not read past it
) STRICT;
CREATE INDEX revisions_by_page   ON revisions (page_id, created_at DESC, id DESC);
CREATE INDEX revisions_by_author ON revisions (author_id, created_at DESC, id DESC) WHERE author_id IS NOT NULL;
CREATE INDEX revisions_latest    ON revisions (created_at DESC, id DESC);

CREATE TABLE page_links (
    page_id      INTEGER NOT NULL REFERENCES pages (id) ON DELETE CASCADE,
    namespace_id INTEGER NOT NULL,
    title        TEXT    NOT NULL,
    PRIMARY KEY (page_id, namespace_id, title)
) STRICT, WITHOUT ROWID;
CREATE INDEX page_links_to ON page_links (namespace_id, title, page_id);

CREATE TABLE page_categories (
    category TEXT    NOT NULL,                      -- title in a category namespace
    sort_key TEXT    NOT NULL,
    page_id  INTEGER NOT NULL REFERENCES pages (id) ON DELETE CASCADE,
    PRIMARY KEY (category, sort_key, page_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX page_categories_of ON page_categories (page_id, category);

CREATE VIRTUAL TABLE pages_fts USING fts5 (
    title, body, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);

-- ---------------------------------------------------------------- keeping house

-- Answers of commands already carried out, by the key the sender chose: a resent command is answered
-- again and not done twice. Aged out by the writer.
CREATE TABLE done_commands (
    key     BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 16),
    done_at INTEGER NOT NULL,
    outcome BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX done_commands_by_age ON done_commands (done_at);

-- Which of our things an imported one became, so that a second run changes nothing and old addresses lead on.
CREATE TABLE imported (
    source   TEXT    NOT NULL,                      -- 'discourse:HOST', 'mediawiki:DBNAME'
    kind     TEXT    NOT NULL,                      -- 'user', 'category', 'topic', 'post', 'page', 'revision'
    foreign_id TEXT  NOT NULL,
    local_id INTEGER NOT NULL,
    digest   BLOB,                                  -- of what was imported, to see whether it changed
    PRIMARY KEY (source, kind, foreign_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX imported_by_foreign ON imported (kind, foreign_id);

-- Facts about this database itself.
CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
