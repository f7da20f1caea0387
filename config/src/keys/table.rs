//! All keys with their bounds, defaults and meanings.

use super::{Key, Kind};
use crate::slots::WORKERS_MAX;

/// Least bytes of cache: the segment's own lower bound.
const CACHE_BYTES_MIN: i64 = 256 * 1024;
/// Most bytes of cache: the segment's own upper bound.
const CACHE_BYTES_MAX: i64 = TERABYTE;
/// More than anybody gives to one account.
const TERABYTE: i64 = 1 << 40;
/// A day: a longer wait is a misprint.
const DAY_SECONDS: i64 = 86_400;
/// The same in milliseconds.
const DAY_MS: i64 = DAY_SECONDS * 1_000;

/// Most bytes of an upload: what is made of it must fit into one message to the writer.
const UPLOAD_BYTES_MAX: i64 = 10 * 1024 * 1024;

/// All keys, in the order of the reference.
pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        Kind::Path,
        "\"/var/lib/veritable\"",
        "Where the databases live. `veritable demo` has `veritable-data` in the current directory instead.",
    ),
    key(
        "runtime_dir",
        Kind::Path,
        "\"\"",
        "Where the sockets live; empty: `run` within the data directory. Must be the same in every file and \
         command for one server.",
    ),
    key(
        "listen",
        Kind::Addresses(1),
        "[\"127.0.0.1:8080\"]",
        "Addresses to listen on, `IP:PORT` or `unix:PATH`; port 0 takes a free one. Sockets handed over by systemd \
         replace them.",
    ),
    key(
        "proxy_listen",
        Kind::Addresses(0),
        "[]",
        "Addresses on which every connection must begin with a PROXY header (v1 or v2), for load balancers that \
         send one. Sockets of systemd's named `proxy` replace them.",
    ),
    key(
        "health_listen",
        Kind::Addresses(0),
        "[]",
        "Addresses that answer `/livez`, `/readyz` and `/metrics` and nothing else, also when every other connection is taken. \
         Sockets of systemd's named `health` replace them.",
    ),
    key("workers", Kind::Integer(0, WORKERS_MAX as i64), "0", "Worker processes; 0: one per core."),
    key("site.name", Kind::Text, "\"Veritable\"", "Shown in the head of every page."),
    key("site.description", Kind::Text, "\"A community\"", "One line about the community."),
    key(
        "site.base_url",
        Kind::Origin,
        "\"\"",
        "Address under which people reach the site, without trailing slash; empty: relative links only.",
    ),
    key(
        "accounts.registration",
        Kind::Choice(&["open", "invitation", "approval", "closed"]),
        "\"open\"",
        "Who may sign up. `open`: everybody; `invitation`: everybody with an invitation; `approval`: everybody, but an \
         administrator has to approve; `closed`: nobody, administrators make accounts.",
    ),
    key(
        "accounts.plain_http",
        Kind::Choice(&["on", "off"]),
        "\"off\"",
        "Whether browsers reach the site by plain HTTP: cookies are then not marked `Secure`. For trying things out on \
         one's own machine; `veritable demo` turns it on.",
    ),
    key(
        "accounts.hsts",
        Kind::Choice(&["on", "off"]),
        "\"off\"",
        "Whether browsers are told to come by HTTPS only, for a year (`Strict-Transport-Security`).",
    ),
    key(
        "accounts.session_days",
        Kind::Integer(1, 3_650),
        "30",
        "Days after its last use at which a session ends.",
    ),
    key(
        "accounts.scrypt_log_n",
        Kind::Integer(10, 20),
        "14",
        "scrypt's N as a power of two: what a guess at a password costs. A password is hashed anew at the next login when \
         this has changed.",
    ),
    key("accounts.scrypt_r", Kind::Integer(1, 32), "8", "scrypt's block size."),
    key("accounts.scrypt_p", Kind::Integer(1, 16), "1", "scrypt's parallelisation."),
    key(
        "accounts.hash_threads",
        Kind::Integer(0, 64),
        "0",
        "Threads of each worker that hash passwords, 128 · r · N bytes of memory each (16 MiB); 0: the cores divided by \
         the workers, at least one.",
    ),
    key(
        "accounts.hash_queue",
        Kind::Integer(1, 10_000),
        "32",
        "Logins that may wait for them in each worker; one more is told to come back later.",
    ),
    key(
        "accounts.limits",
        Kind::Choice(&["on", "off"]),
        "\"on\"",
        "Whether changes are counted by account and address, and refused (429) when there are too many; stricter for \
         accounts that are a day old. `off` is for measuring. Failed logins are always counted.",
    ),
    key(
        "mail.transport",
        Kind::Choice(&["file", "smtp", "off"]),
        "\"file\"",
        "How mail goes out. `file`: a file a message, in `mail` within the data directory, for whoever runs the server to \
         look at or to pass on; `smtp`: by a mail server; `off`: not at all: addresses are then not verified, and nobody \
         can reset a password alone.",
    ),
    key(
        "mail.from",
        Kind::Text,
        "\"veritable@localhost\"",
        "Address that mail comes from, with a name before it if you like: `Workshop <forum@example.org>`.",
    ),
    key("mail.smtp_host", Kind::Text, "\"\"", "Name or address of the mail server."),
    key("mail.smtp_port", Kind::Integer(1, 65_535), "587", "Its port."),
    key(
        "mail.smtp_security",
        Kind::Choice(&["starttls", "tls", "none"]),
        "\"starttls\"",
        "How the connection to it is secured. `starttls`: it must change to TLS before anything is sent; `tls`: from the \
         first byte (usually port 465); `none`: for a server on this host.",
    ),
    key("mail.smtp_user", Kind::Text, "\"\"", "Name to log in there; empty: without."),
    key(
        "mail.smtp_password",
        Kind::Text,
        "\"\"",
        "The password for it. Better given as the variable, which no file on the disk holds.",
    ),
    key(
        "mail.smtp_ca_file",
        Kind::Path,
        "\"\"",
        "File with the certificate (PEM) of the authority that signed the mail server's; empty: one that this system \
         trusts.",
    ),
    key(
        "uploads.max_bytes",
        Kind::Integer(0, UPLOAD_BYTES_MAX),
        "5242880",
        "Most bytes of a picture that somebody uploads; 0: nobody uploads anything.",
    ),
    key(
        "uploads.account_bytes",
        Kind::Integer(0, TERABYTE),
        "209715200",
        "Bytes that all pictures of one account may take on the disk together.",
    ),
    key(
        "cache.bytes",
        Kind::Integer(CACHE_BYTES_MIN, CACHE_BYTES_MAX),
        "52428800",
        "Bytes of the shared cache, metadata included.",
    ),
    key(
        "cache.entries",
        Kind::Integer(16, 1 << 28),
        "10000",
        "Most entries of the shared cache; at most one per 512 bytes of it.",
    ),
    key(
        "cache.ttl_seconds",
        Kind::Integer(1, DAY_SECONDS * 365),
        "3600",
        "Seconds after which an answer is made anew even if nothing changed.",
    ),
    key(
        "cache.stale_seconds",
        Kind::Integer(0, DAY_SECONDS),
        "60",
        "Seconds after that for which the old answer is still shown while one worker makes the new one. What a \
         change made outdated is never shown.",
    ),
    key(
        "cache.negative_seconds",
        Kind::Integer(0, DAY_SECONDS),
        "10",
        "Seconds for which it is remembered that something does not exist; any change ends it; 0: not at all.",
    ),
    key(
        "cache.value_share",
        Kind::Integer(1, 1_024),
        "4",
        "An answer takes at most this part of a shard: 4 is a quarter. `veritable cache stats` tells what that is in \
         bytes; what is larger is not kept.",
    ),
    key(
        "cache.worker_bytes",
        Kind::Integer(0, 1 << 40),
        "2097152",
        "Bytes of the most asked answers that each worker keeps copies of in its own memory; 0: none.",
    ),
    key(
        "cache.huge_pages",
        Kind::Choice(&["on", "off"]),
        "\"off\"",
        "Whether the shared memory is asked for in huge pages, for caches of gigabytes. The kernel must allow it: \
         `advise` or more in `/sys/kernel/mm/transparent_hugepage/shmem_enabled`.",
    ),
    key(
        "cache.prefault",
        Kind::Choice(&["on", "off"]),
        "\"off\"",
        "Whether each process maps all of the shared memory when it starts, instead of page by page as it is used.",
    ),
    key(
        "http.max_connections",
        Kind::Integer(1, 1_000_000),
        "10000",
        "Open connections per worker; at the bound a worker stops accepting.",
    ),
    key(
        "http.idle_seconds",
        Kind::Integer(1, DAY_SECONDS),
        "75",
        "Seconds a connection is kept between two requests; longer than the load balancer in front keeps its own.",
    ),
    key(
        "http.header_seconds",
        Kind::Integer(1, DAY_SECONDS),
        "10",
        "Seconds a client may take to send a request's head.",
    ),
    key(
        "http.request_seconds",
        Kind::Integer(1, DAY_SECONDS),
        "30",
        "Seconds a request may take altogether, and an answer may wait for its client to read on.",
    ),
    key("http.body_bytes", Kind::Integer(1, 1 << 40), "8388608", "Most bytes of a request's body."),
    key(
        "http.trusted_proxies",
        Kind::Networks,
        "[\"127.0.0.0/8\", \"::1/128\"]",
        "Networks of the proxies in front, whose `X-Forwarded-For` or `Forwarded` is believed, from the right up to \
         the first address that is none of theirs. A connection over a Unix socket is trusted.",
    ),
    key(
        "reads.min_connections",
        Kind::Integer(1, 1_000),
        "2",
        "Reading connections a worker keeps at least.",
    ),
    key(
        "reads.max_connections",
        Kind::Integer(1, 1_000),
        "5",
        "Reading connections a worker opens at most; no fewer than `reads.min_connections`.",
    ),
    key(
        "reads.deadline_ms",
        Kind::Integer(1, DAY_MS),
        "5000",
        "Milliseconds after which a query is interrupted.",
    ),
    key(
        "reads.mmap_bytes",
        Kind::Integer(0, 1 << 46),
        "0",
        "Bytes of a database mapped into memory; 0: none. Mapped pages are read a little quicker, but one that the disk \
         does not give ends the process that reads it, where otherwise the request is answered with an error.",
    ),
    key(
        "writer.queue",
        Kind::Integer(1, 1_000_000),
        "4096",
        "Commands that may wait; one more is refused at once.",
    ),
    key("writer.batch", Kind::Integer(1, 100_000), "512", "Most commands in one transaction."),
    key(
        "writer.deadline_ms",
        Kind::Integer(1, DAY_MS),
        "5000",
        "Milliseconds a command may wait before it is refused.",
    ),
    key(
        "writer.synchronous",
        Kind::Choice(&["full", "normal"]),
        "\"full\"",
        "SQLite's setting of that name. `full`: a commit is on disk before it is acknowledged; `normal`: a \
         power failure may lose the last ones.",
    ),
    key(
        "writer.checkpoints",
        Kind::Choice(&["own", "external"]),
        "\"own\"",
        "Who copies a database's log into it. `own`: the writer, when it is idle or the log is long; `external`: a \
         program that ships the log away, such as Litestream; nothing else then keeps the log short.",
    ),
    key(
        "writer.check_hours",
        Kind::Integer(0, 24 * 365),
        "24",
        "Hours between two checks of the databases for damage (SQLite's `quick_check`, slowly, beside the work); \
         0: never.",
    ),
    key(
        "process.drain_seconds",
        Kind::Integer(1, DAY_SECONDS),
        "30",
        "Seconds a process may take to finish its work when it stops.",
    ),
    key(
        "process.leave_seconds",
        Kind::Integer(0, DAY_SECONDS),
        "0",
        "Seconds for which a stop is announced by `/readyz` while everything is still served, so that load balancers \
         look elsewhere first.",
    ),
    key(
        "process.boot_seconds",
        Kind::Integer(1, DAY_SECONDS),
        "30",
        "Seconds a process may take to become ready, migrations included.",
    ),
    key(
        "process.probation_seconds",
        Kind::Integer(0, DAY_SECONDS),
        "2",
        "Seconds for which the first worker of a reload serves beside the old ones before they go.",
    ),
    key(
        "process.hang_seconds",
        Kind::Integer(2, DAY_SECONDS),
        "10",
        "Seconds of silence after which a process counts as hung and is killed.",
    ),
    key(
        "process.heap_bytes",
        Kind::Integer(16 << 20, 1 << 40),
        "419430400",
        "Bytes of heap past which a worker is first asked to give memory back and then replaced.",
    ),
    key(
        "process.max_requests",
        Kind::Integer(0, 1 << 50),
        "0",
        "Requests after which a worker is replaced, spread over the workers; 0: never.",
    ),
    key(
        "process.max_age_seconds",
        Kind::Integer(0, DAY_SECONDS * 365),
        "0",
        "Seconds after which a worker is replaced, spread over the workers; 0: never.",
    ),
    key(
        "process.sandbox",
        Kind::Choice(&["on", "off"]),
        "\"on\"",
        "Whether workers and writer give up what they do not need: running programs, files beside the data directory, \
         TCP \
         connections but to the mail server, and for workers every change (Landlock and seccomp).",
    ),
    key(
        "log.level",
        Kind::Text,
        "\"info\"",
        "`error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,veritable_worker=debug`.",
    ),
    key(
        "log.format",
        Kind::Choice(&["text", "json"]),
        "\"text\"",
        "Lines for people, or one JSON object a line.",
    ),
    key(
        "log.access",
        Kind::Choice(&["off", "slow", "on"]),
        "\"slow\"",
        "Which requests have a line of the level `info`: none, those that took longer than 127 ms, or all. A line is \
         written before the worker goes on: `on` costs a busy server some of its speed.",
    ),
    key(
        "metrics.statsd",
        Kind::Receiver,
        "\"\"",
        "Where figures are sent to over UDP, for a receiver that speaks StatsD; empty: nowhere.",
    ),
    key(
        "metrics.statsd_tags",
        Kind::Choice(&["on", "off"]),
        "\"off\"",
        "Whether they carry tags such as `route`, as DogStatsD and `statsd_exporter` understand them.",
    ),
    key("metrics.interval_seconds", Kind::Integer(1, 3_600), "10", "Seconds between two such sendings."),
];

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}
