-- FTS5 merges its segments a little with every write (automerge); but sixteen segments of one size it merges at
-- once, and with large segments everybody who writes waits for seconds. Let that be the last resort: the writer
-- merges when it has nothing else to do.
-- https://www.sqlite.org/fts5.html#the_crisismerge_configuration_option
INSERT INTO posts_fts (posts_fts, rank) VALUES ('crisismerge', 128);
INSERT INTO pages_fts (pages_fts, rank) VALUES ('crisismerge', 128);
