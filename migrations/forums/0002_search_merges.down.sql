INSERT INTO posts_fts (posts_fts, rank) VALUES ('crisismerge', 16);
INSERT INTO pages_fts (pages_fts, rank) VALUES ('crisismerge', 16);
