ALTER TABLE done_commands DROP COLUMN digest;
