//! What `veritable status` shows of the databases: whether they can be written and read, how large they are, and
//! when what was done for them.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Segment, Store};
use veritable_sql::Trouble;
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

fn one(store: &Store) -> Value {
    let trouble = |fact| Trouble::from_number(store.get(fact));
    let when = |fact| match i64::try_from(store.get(fact)) {
        Ok(0) | Err(_) => Value::Null,
        Ok(at) => UnixMillis(at).rfc3339().into(),
    };
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
        "check_found_damage": store.get(Fact::CheckFound) != 0,
    })
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
        let shown = status(&segment);
        assert_eq!(shown["forums"]["writes"], "the disk is full");
        assert_eq!(shown["notebooks"]["writes"], "ok");
        let lines = lines(&shown);
        for part in [
            "forums: 2.0 MB",
            "writes fail, the disk is full: free some space",
            "notebooks: 0.0 MB",
            "forums: not looked after since 1970",
        ] {
            assert!(lines.contains(part), "{part:?} in {lines}");
        }
        assert!(!lines.contains("notebooks: not looked after"), "{lines}");
    }
}
