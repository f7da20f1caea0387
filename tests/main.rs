//! The whole product, driven from outside: the binary's command line, its processes, and HTTP bytes.
//! One test binary, so that it links once; helpers live in `harness`.

mod harness;

mod access;
mod accounts;
mod backup;
mod balancers;
mod browser;
mod cache;
mod command_line;
mod communities;
mod demo;
mod document;
mod durability;
mod hardening;
mod health;
mod lint;
mod power_loss;
mod processes;
mod reloads;
mod sessions;
mod storage;
mod storm;
mod systemd;
mod writing;
