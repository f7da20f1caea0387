//! The whole product, driven from outside: the binary's command line, its processes, and HTTP bytes.
//! One test binary, so that it links once; helpers live in `harness`.

mod harness;

mod access;
mod account_settings;
mod accounts;
mod admin;
mod backup;
mod balancers;
mod browser;
mod cache;
mod command_line;
mod communities;
mod demo;
mod document;
mod durability;
mod forum_writing;
mod hardening;
mod health;
mod hidden;
mod holes;
mod lint;
mod load;
mod logs;
mod mail;
mod metrics;
mod moderation;
mod monitoring;
mod power_loss;
mod processes;
mod reloads;
mod search;
mod session_ends;
mod sessions;
mod storage;
mod storm;
mod systemd;
mod uploads;
mod user_command;
mod wiki_keeping;
mod wiki_writing;
mod writing;
