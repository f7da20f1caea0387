//! What `veritable status` shows of the databases: whether they can be written and read, how large they are, and
//! when what was done for them.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Segment, Store};
use veritable_sql::Trouble;
use veritable_writer::MailTrouble;
use veritable_writer::database::Database;

/// A read that failed longer ago says nothing about now.
const READ_TROUBLE_MS: u64 = 60_000;
/// A database that was last looked after longer ago is neglected: the writer does so every half minute however much it
/// has to write.
const NEGLECTED_MS: u64 = 60_000;

/// Each database by its name.
pub(crate) fn status(segment: &Segment) -> Value {
    let of = |database: Database| {
        let store = Store::of(segment, database.index())?;
        Some((format!("{database:?}").to_lowercase(), one(&store)))
    };
    Value::Object(Database::ALL.into_iter().filter_map(of).collect::<Map<_, _>>())
}

/// Why no process can be started that opens the databases, if so: the files are not those that others have open.
pub(crate) fn unfit(segment: &Segment) -> Option<String> {
    Database::ALL.into_iter().find_map(|database| {
        let store = Store::of(segment, database.index())?;
        let trouble =
            Trouble::from_number(store.get(Fact::WriteTrouble)).filter(|trouble| trouble.is_of_files())?;
        Some(format!("{}: {trouble}: {}", format!("{database:?}").to_lowercase(), trouble.advice()))
    })
}

/// The same by what `status` says.
pub(crate) fn unfit_by_status(databases: &Value) -> Option<String> {
    let is_unfit =
        |said: &str| Trouble::ALL.iter().any(|trouble| trouble.is_of_files() && trouble.to_string() == said);
    databases.as_object()?.iter().find_map(|(name, database)| {
        let said = database["writes"].as_str().filter(|said| is_unfit(said))?;
        Some(format!("{name}: {said}: {}", database["advice"].as_str().unwrap_or_default()))
    })
}

fn one(store: &Store) -> Value {
    let trouble = |fact| Trouble::from_number(store.get(fact));
    let when = |fact| when(store, fact);
    let now = u64::try_from(UnixMillis::now().0).unwrap_or_default();
    let reads_failed = now.saturating_sub(store.get(Fact::ReadTroubleAt)) < READ_TROUBLE_MS;
    let state = |trouble: Option<Trouble>| trouble.map_or("ok".to_owned(), |trouble| trouble.to_string());
    let writes = trouble(Fact::WriteTrouble);
    let reads = trouble(Fact::ReadTrouble).filter(|_| reads_failed);
    json!({
        "writes": state(writes),
        "writes_since": when(Fact::WriteTroubleSince),
        "reads": state(reads),
        "advice": writes.or(reads).map(Trouble::advice),
        "queue": store.get(Fact::Queue),
        "bytes": store.get(Fact::Bytes),
        "free_bytes": store.get(Fact::FreeBytes),
        "log_bytes": store.get(Fact::LogBytes),
        "log_pages": store.get(Fact::LogPages),
        "log_pages_copied": store.get(Fact::LogPagesCopied),
        "upkeep_at": when(Fact::UpkeepAt),
        "upkeep_late": (1..now.saturating_sub(NEGLECTED_MS)).contains(&store.get(Fact::UpkeepAt)),
        "upkeep_overdue": store.get(Fact::UpkeepOverdue),
        "task": veritable_writer::task_name(store.get(Fact::Task)),
        "checkpoint_at": when(Fact::CheckpointAt),
        "truncate_at": when(Fact::TruncateAt),
        "optimize_at": when(Fact::OptimizeAt),
        "vacuum_at": when(Fact::VacuumAt),
        "check_since": when(Fact::CheckSince),
        "check_at": when(Fact::CheckAt),
        "check_late": store.get(Fact::CheckLate) != 0,
        "check_found_damage": store.get(Fact::CheckFound) != 0,
    })
}

/// The mail that waits to be sent, as the writer last said.
pub(crate) fn mail(segment: &Segment) -> Value {
    let Some(store) = Store::of(segment, Database::Forums.index()) else { return Value::Null };
    let trouble = MailTrouble::from_number(store.get(Fact::MailTrouble));
    let of_trouble = |value: Value| if trouble.is_some() { value } else { Value::Null };
    let code = store.get(Fact::MailCode);
    json!({
        "waiting": store.get(Fact::MailWaiting),
        "since": when(&store, Fact::MailSince),
        "trouble": trouble.map(MailTrouble::said),
        "answer": of_trouble(if code == 0 { Value::Null } else { code.into() }),
        "trouble_at": of_trouble(when(&store, Fact::MailTroubleAt)),
    })
}

/// The same for people; nothing where no mail waits and the last one went.
pub(crate) fn mail_lines(mail: &Value) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    if mail["waiting"].as_u64().is_some_and(|waiting| waiting > 0) {
        let since = mail["since"].as_str().unwrap_or("now");
        let _ = writeln!(page, "mail: {} waiting, the oldest since {since}", mail["waiting"]);
    }
    if let Some(trouble) = mail["trouble"].as_str() {
        let at = mail["trouble_at"].as_str().unwrap_or("?");
        let answer = mail["answer"].as_u64().map(|code| format!(", it answered {code}")).unwrap_or_default();
        let _ = writeln!(page, "mail: the last try failed at {at}: {trouble}{answer}");
    }
    page
}

fn when(store: &Store, fact: Fact) -> Value {
    match i64::try_from(store.get(fact)) {
        Ok(0) | Err(_) => Value::Null,
        Ok(at) => UnixMillis(at).rfc3339().into(),
    }
}

/// The same for people.
pub(crate) fn lines(databases: &Value) -> String {
    let mut page = String::new();
    for (name, database) in databases.as_object().into_iter().flatten() {
        let text = |name: &str| database[name].as_str().unwrap_or("never");
        let mb = |name: &str| database[name].as_f64().unwrap_or_default() / 1e6;
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "{name}: {:.1} MB ({:.1} free), log {:.1} MB, checkpoint {}, checked {}",
            mb("bytes"),
            mb("free_bytes"),
            mb("log_bytes"),
            text("checkpoint_at"),
            text("check_at"),
        );
        for what in ["writes", "reads"] {
            if text(what) != "ok" {
                let _ = writeln!(page, "{name}: {what} fail, {}: {}", text(what), text("advice"));
            }
        }
        if database["upkeep_late"] == true {
            let _ = writeln!(page, "{name}: not looked after since {}", text("upkeep_at"));
        }
        if database["check_late"] == true {
            let _ = writeln!(page, "{name}: its check for damage is late, the last was {}", text("check_at"));
        }
        for (since, what) in [("task", "doing"), ("check_since", "being checked since")] {
            if let Some(said) = database[since].as_str() {
                let _ = writeln!(page, "{name}: {what} {said}");
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use veritable_shm::Geometry;

    #[test]
    fn trouble_is_shown_with_what_to_do_and_its_end() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let store = Store::of(&segment, 0).unwrap();
        assert_eq!(status(&segment)["forums"]["writes"], "ok");
        store.set(Fact::WriteTrouble, Trouble::DiskFull as u64);
        store.set(Fact::Bytes, 2_000_000);
        store.set(Fact::UpkeepAt, 1_000);
        store.set(Fact::CheckLate, 1);
        let shown = status(&segment);
        assert_eq!(shown["forums"]["writes"], "the disk is full");
        assert_eq!(shown["notebooks"]["writes"], "ok");
        let lines = lines(&shown);
        for part in [
            "forums: 2.0 MB",
            "writes fail, the disk is full: free some space",
            "notebooks: 0.0 MB",
            "forums: not looked after since 1970",
            "forums: its check for damage is late, the last was never",
        ] {
            assert!(lines.contains(part), "{part:?} in {lines}");
        }
        assert!(!lines.contains("notebooks: not looked after"), "{lines}");
    }

    #[test]
    fn mail_that_waits_is_shown_with_why() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let store = Store::of(&segment, 0).unwrap();
        assert_eq!(mail_lines(&mail(&segment)), "");
        store.set(Fact::MailWaiting, 3);
        store.set(Fact::MailSince, 1_479_014_551_250);
        store.set(Fact::MailCode, 535);
        assert_eq!(mail_lines(&mail(&segment)), "mail: 3 waiting, the oldest since 2016-11-13T05:22:31Z\n");
        store.set(Fact::MailTrouble, MailTrouble::Login as u64);
        let lines = mail_lines(&mail(&segment));
        assert!(lines.contains("mail.smtp_user") && lines.contains("it answered 535"), "{lines}");
    }
}
