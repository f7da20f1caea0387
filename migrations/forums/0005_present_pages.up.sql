-- Which links of a page lead nowhere is asked each time it is made, once for each link: without this the row of every
-- page linked to is read, for the one column that says that it was not deleted.
CREATE INDEX pages_present ON pages (namespace_id, title) WHERE deleted_at IS NULL;
