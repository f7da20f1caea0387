-- What is asked when a person is forgotten, without a walk through a table.
CREATE INDEX outbox_by_address ON outbox (address);
CREATE INDEX invitations_by_user ON invitations (used_by) WHERE used_by IS NOT NULL;
CREATE INDEX posts_deleted_by_author ON posts (author_id) WHERE deleted_at IS NOT NULL;
