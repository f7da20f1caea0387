//! Drives the writer as its clients do: through its socket, against databases in a directory of its own.
//! Everything checked in the databases is read by a connection of the test's own.

mod administration;
mod batching;
mod counters;
mod database;
mod forum;
mod harness;
mod imports;
mod imports_wiki;
mod links;
mod marks;
mod moderation;
mod people;
mod search;
mod uploads;
mod wiki;
mod wiki_pages;
