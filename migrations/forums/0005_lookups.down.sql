DROP INDEX posts_deleted_by_author;
DROP INDEX invitations_by_user;
DROP INDEX outbox_by_address;
