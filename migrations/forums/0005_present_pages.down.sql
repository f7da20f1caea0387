DROP INDEX pages_present;
