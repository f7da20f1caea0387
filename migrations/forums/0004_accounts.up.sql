-- Accounts that people make for themselves, sessions, groups, and what keeping order needs.

-- ---------------------------------------------------------------- accounts

ALTER TABLE users ADD COLUMN address TEXT;                          -- e-mail
ALTER TABLE users ADD COLUMN address_key TEXT;                      -- lower case; of those that are verified
ALTER TABLE users ADD COLUMN verified_at INTEGER;                   -- the address is this person's
ALTER TABLE users ADD COLUMN approved_at INTEGER;                   -- NULL: an administrator has to approve first
ALTER TABLE users ADD COLUMN groups INTEGER NOT NULL DEFAULT 0;     -- bits of the site's own groups
ALTER TABLE users ADD COLUMN totp_secret BLOB;                      -- NULL: no second factor
ALTER TABLE users ADD COLUMN totp_confirmed_at INTEGER;             -- NULL: being set up
ALTER TABLE users ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0;  -- the last one used: a code is good once
ALTER TABLE users ADD COLUMN preferences TEXT NOT NULL DEFAULT '';  -- JSON
ALTER TABLE users ADD COLUMN erased_at INTEGER;                     -- its person is gone, its posts have nobody's name
ALTER TABLE users ADD COLUMN likeness TEXT;                         -- of the name: alike where people would take them for one another
CREATE INDEX users_by_likeness ON users (likeness);
-- Whoever has an account already is known here.
UPDATE users SET approved_at = created_at, verified_at = created_at;
CREATE UNIQUE INDEX users_by_address ON users (address_key) WHERE address_key IS NOT NULL;
CREATE INDEX users_waiting    ON users (created_at, id) WHERE approved_at IS NULL;
CREATE INDEX users_unverified ON users (created_at) WHERE verified_at IS NULL AND address IS NOT NULL;
CREATE INDEX users_in_groups  ON users (groups) WHERE groups > 0;
CREATE INDEX users_by_role    ON users (role, id) WHERE role > 1;
CREATE INDEX users_disabled   ON users (disabled_at DESC, id DESC) WHERE disabled_at IS NOT NULL;

-- No account could have had one.
DROP TABLE sessions;
CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB    NOT NULL UNIQUE CHECK (length(token_hash) = 32),   -- of the token, never the token
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    csrf       BLOB    NOT NULL CHECK (length(csrf) = 16),
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    address    TEXT    NOT NULL DEFAULT '',
    user_agent TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id, seen_at DESC);
-- The seed's partial index on datetime('now') makes every INSERT fail (it is not deterministic).
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

ALTER TABLE api_tokens ADD COLUMN scopes INTEGER NOT NULL DEFAULT 7;  -- read, write, moderate
ALTER TABLE api_tokens ADD COLUMN expires_at INTEGER;

-- Links sent by mail. Who has one has the mailbox.
CREATE TABLE links (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       INTEGER NOT NULL,                    -- 1 verify an address, 2 a new password
    address    TEXT    NOT NULL,                    -- the one that it shows to be this person's
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_user ON links (user_id, kind);
CREATE INDEX links_by_expiry ON links (expires_at);

CREATE TABLE invitations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    role       INTEGER NOT NULL DEFAULT 1 CHECK (role BETWEEN 1 AND 3),   -- that whoever uses it has
    note       TEXT    NOT NULL DEFAULT '',
    created_by INTEGER REFERENCES users (id),       -- NULL: at the command line
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by    INTEGER REFERENCES users (id),
    used_at    INTEGER
) STRICT;
CREATE INDEX invitations_by_maker ON invitations (created_by, id DESC);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

-- Messages to be sent, each taken out once it is.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    address    TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,                    -- not before
    error      TEXT    NOT NULL DEFAULT ''          -- why the last attempt failed
) STRICT;
CREATE INDEX outbox_by_time ON outbox (next_at);

-- The site's own groups; numbers 0 to 3 are the roles'.
CREATE TABLE groups (
    id          INTEGER PRIMARY KEY CHECK (id BETWEEN 4 AND 62),
    name        TEXT    NOT NULL UNIQUE,
    description TEXT    NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL
) STRICT;

-- ---------------------------------------------------------------- who may what in a category

ALTER TABLE categories ADD COLUMN read_groups     INTEGER NOT NULL DEFAULT 9;   -- everybody
ALTER TABLE categories ADD COLUMN post_groups     INTEGER NOT NULL DEFAULT 10;  -- members
ALTER TABLE categories ADD COLUMN moderate_groups INTEGER NOT NULL DEFAULT 12;  -- moderators

-- ---------------------------------------------------------------- keeping order

ALTER TABLE topics ADD COLUMN deleted_by INTEGER;
ALTER TABLE posts  ADD COLUMN deleted_by INTEGER;
ALTER TABLE pages  ADD COLUMN deleted_by INTEGER;
CREATE INDEX topics_deleted ON topics (deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;

-- What a topic's address had before it was renamed.
CREATE TABLE former_slugs (
    topic_id INTEGER NOT NULL REFERENCES topics (id),
    slug     TEXT    NOT NULL,
    PRIMARY KEY (topic_id, slug)
) STRICT, WITHOUT ROWID;
-- A title is free again once its page is deleted: whoever makes a new one does not bring the old one's history back.
DROP INDEX pages_by_title;
CREATE UNIQUE INDEX pages_by_title ON pages (namespace_id, title) WHERE deleted_at IS NULL;
CREATE INDEX pages_deleted ON pages (deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;

CREATE TABLE drafts (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    place      TEXT    NOT NULL,                    -- 'topic:3', 'reply:42', 'post:7', 'page:Help:Home'
    updated_at INTEGER NOT NULL,
    body       BLOB    NOT NULL,                    -- packed
    PRIMARY KEY (user_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX drafts_by_age ON drafts (user_id, updated_at DESC);
CREATE INDEX drafts_by_time ON drafts (updated_at);

CREATE TABLE reports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    post_id     INTEGER NOT NULL REFERENCES posts (id),
    category_id INTEGER NOT NULL,                   -- the post's: who keeps order there handles it
    reporter_id INTEGER NOT NULL REFERENCES users (id),
    reason      TEXT    NOT NULL,                   -- 'spam', 'abuse', 'off-topic', 'other'
    note        TEXT    NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    handled_at  INTEGER,
    handled_by  INTEGER REFERENCES users (id),
    verdict     TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX reports_open ON reports (created_at, id) WHERE handled_at IS NULL;
CREATE INDEX reports_handled ON reports (handled_at DESC, id DESC) WHERE handled_at IS NOT NULL;
CREATE INDEX reports_by_post ON reports (post_id);
CREATE INDEX reports_by_reporter ON reports (reporter_id);
CREATE UNIQUE INDEX reports_once ON reports (post_id, reporter_id) WHERE handled_at IS NULL;

-- What was done with a role's power, by whom and from where. Only ever added to.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor_id INTEGER,                               -- NULL: at the command line
    address  TEXT    NOT NULL DEFAULT '',
    deed     TEXT    NOT NULL,                      -- 'user.role', 'topic.lock', ...
    object   TEXT    NOT NULL,                      -- 'user:3', 'topic:42', ...
    detail   TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX audit_by_actor  ON audit (actor_id, id DESC);
CREATE INDEX audit_by_deed   ON audit (deed, id DESC);
CREATE INDEX audit_by_object ON audit (object, id DESC);

-- Pictures, by the SHA-256 of their bytes; the bytes are files. Two people may upload the same one.
CREATE TABLE uploads (
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    user_id    INTEGER NOT NULL REFERENCES users (id),
    name       TEXT    NOT NULL,
    media      TEXT    NOT NULL,                    -- 'image/png', ...
    bytes      INTEGER NOT NULL,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (hash, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_user ON uploads (user_id, created_at DESC, hash, bytes);
