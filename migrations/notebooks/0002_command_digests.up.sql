-- What a command was, so that its key is not taken for another one: a hash of the request, 0 for one without.
ALTER TABLE done_commands ADD COLUMN digest INTEGER NOT NULL DEFAULT 0;
