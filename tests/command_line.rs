//! What the command line says, above all when it is held wrong: exit code 2 and one line.

use super::harness::server::run;

fn refused(args: &[&str], expected: &[&str]) {
    let out = run(args);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{args:?}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{args:?}: {said}");
    for part in expected {
        assert!(said.contains(part), "{args:?} said {said:?} without {part:?}");
    }
}

#[test]
fn help_and_version_are_everywhere() {
    for command in [
        "serve",
        "demo",
        "check-config",
        "import",
        "migrate",
        "user",
        "status",
        "top",
        "cache",
        "queries",
        "backup",
        "restore",
        "reload",
        "upgrade",
        "stop",
    ] {
        let out = run(&[command, "--help"]);
        assert!(out.status.success(), "{command}");
        assert!(String::from_utf8_lossy(&out.stdout).contains("Usage:"), "{command}");
    }
    let out = run(&["--version"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn unknown_keys_and_wrong_values_are_refused_with_line_and_nearest_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("veritable.toml");
    let path = file.to_str().unwrap();
    for (text, expected) in [
        ("workers = 2\n\n[cache]\nbites = 5\n", &[":4", "bites", "bytes"][..]),
        ("worker = 2\n", &[":1", "workers"]),
        ("\nworkers = \"two\"\n", &[":2", "workers"]),
        ("listen = [\"nonsense\"]\n", &["listen", "nonsense"]),
        ("workers = \n", &[":1"]),
    ] {
        std::fs::write(&file, text).unwrap();
        refused(&["check-config", "--config", path], expected);
        refused(&["serve", "--config", path, "--data-dir", dir.path().to_str().unwrap()], expected);
    }
    std::fs::write(&file, "workers = 3\n[site]\nname = \"Here\"\n").unwrap();
    let out = run(&["check-config", "--config", path]);
    assert!(out.status.success(), "{out:?}");
    refused(
        &["check-config", "--config", dir.path().join("absent.toml").to_str().unwrap()],
        &["absent.toml"],
    );
}

#[test]
fn misuse_is_one_line_and_code_2() {
    refused(&["serv"], &["serv"]);
    refused(&["import", "discourse"], &["PATH"]);
    refused(&["serve", "--workers", "many"], &["many"]);
}

#[test]
fn commands_for_a_running_server_say_when_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["status", "reload", "stop"] {
        let out = run(&[command, "--data-dir", dir.path().to_str().unwrap()]);
        assert!(!out.status.success(), "{command}");
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(said.trim_end().lines().count(), 1, "{command}: {said}");
        assert!(said.contains("no server"), "{command}: {said}");
    }
}

#[test]
fn schemas_are_shown_and_moved_down_and_up() {
    let dir = tempfile::tempdir().unwrap();
    let migrate = |args: &[&str]| {
        let out = run(&[&["migrate"], args, &["--data-dir", dir.path().to_str().unwrap()]].concat());
        assert!(out.status.success(), "{args:?}: {out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(migrate(&["status"]).matches("not there yet").count(), 2);
    assert!(!dir.path().join("forums.db").exists(), "status makes nothing");
    let whole = |said: String| {
        assert!(
            said.contains("forums.db: version 5 of 5") && said.contains("notebooks.db: version 2 of 2"),
            "{said}"
        );
    };
    whole(migrate(&["up"]));
    let down = migrate(&["down", "--database", "forums", "--to", "0"]);
    assert!(
        down.contains("forums.db: version 0 of 5") && down.contains("notebooks.db: version 2 of 2"),
        "{down}"
    );
    whole(migrate(&["up"]));
    refused(&["migrate", "down", "--database", "others", "--to", "0"], &["others", "forums or notebooks"]);
}
