DROP TABLE facts;
DROP TABLE done_commands;
DROP TABLE notebook_versions;
DROP TABLE notebooks;
