//! Tests of loading: the order of sources, and where each fault is said to be.

use super::*;
use crate::settings::{LogFormat, Synchronous};

fn from_file(text: &str) -> Result<Config, ConfigError> {
    combine(Config::default(), Some((Path::new("f.toml"), text)), &BTreeMap::new(), &Overrides::default())
}

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let said = from_file(text).expect_err(text).to_string();
    assert!(!said.contains('\n'), "{said}");
    for part in parts {
        assert!(said.contains(part), "{text:?} gave {said:?} without {part:?}");
    }
}

#[test]
fn nothing_is_the_default_and_every_kind_of_value_is_taken() {
    assert_eq!(from_file("").unwrap(), Config::default());
    let config = from_file(
        "data_dir = \"d\"\nlisten = [\"[::1]:0\", \"127.0.0.1:9\"]\nworkers = 0x3\n[writer]\n\
         synchronous = 'normal'\n[log]\nformat = \"json\"\n[site]\nname = \"Ä\"\n\
         base_url = \"https://forum.example.org:8443\"\n",
    )
    .unwrap();
    assert_eq!(config.data_dir, Path::new("d"));
    assert_eq!(config.listen, ["[::1]:0", "127.0.0.1:9"]);
    assert_eq!((config.workers, config.writer.synchronous), (3, Synchronous::Normal));
    assert_eq!((config.log.format, config.site.name.as_str()), (LogFormat::Json, "Ä"));
    assert_eq!(config.control_socket(), Path::new("d/run/control.sock"));
}

#[test]
fn faults_are_named_with_their_line() {
    refused("workers = 2\n\n[cache]\nbites = 5\n", &["f.toml:4: ", "cache.bites", "cache.bytes"]);
    refused("worker = 2\n", &["f.toml:1: ", "nearest known one is workers"]);
    refused("bytes = 2\n", &["f.toml:1: ", "cache.bytes"]);
    refused("# ä\n[kache]\nbytes = 1\n", &["f.toml:2: ", "kache"]);
    refused(
        "\nworkers = \"two\"\n",
        &["f.toml:2: ", "workers: expected a whole number from 0 to 64", "\"two\""],
    );
    for origin in [
        "forum.example.org",
        "https://forum.example.org/",
        "ftp://a.example",
        "https://",
        "https://a@b.example",
        "https://a.example/x",
    ] {
        refused(&format!("[site]\nbase_url = \"{origin}\"\n"), &["f.toml:2: ", "site.base_url"]);
    }
    refused("workers = 65\n", &["f.toml:1: ", "65"]);
    refused("workers = 1.5\n", &["f.toml:1: ", "workers"]);
    refused("workers = 99999999999999999999\n", &["f.toml:1: ", "workers"]);
    refused("cache = 5\n", &["f.toml:1: ", "section [cache]"]);
    refused("listen = []\n", &["f.toml:1: ", "listen"]);
    refused("a = 1\nlisten = [\"nonsense\"]", &["f.toml:1: "]);
    refused("\n\nlisten = [\n \"127.0.0.1:1\",\n \"nonsense\"]", &["f.toml:3: ", "listen", "nonsense"]);
    refused("[log]\nformat = \"xml\"", &["f.toml:2: ", "\"text\", \"json\""]);
    refused("[http]\nheader_seconds = 0", &["f.toml:2: ", "from 1"]);
    refused("data_dir = \"\"", &["f.toml:1: ", "data_dir"]);
    refused("workers = \n", &["f.toml:1: "]);
    refused("site.name = \"a\"\n[site]\nname = \"b\"", &["f.toml:"]);
}

#[test]
fn what_does_not_go_together_is_refused_where_it_was_set() {
    refused("[reads]\nmin_connections = 20\n", &["f.toml:2: ", "reads.min_connections"]);
    refused("[cache]\nbytes = 300000\n", &["f.toml:2: ", "cache.entries"]);
    refused(&format!("runtime_dir = \"/{}\"", "x".repeat(100)), &["f.toml:1: ", "runtime_dir"]);
}

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let file = Some((Path::new("f.toml"), "workers = 1\ndata_dir = \"file\"\n[cache]\nbytes = 6000000\n"));
    let variables = environment(&[
        ("VERITABLE_WORKERS", "2"),
        ("VERITABLE_DATA_DIR", "environment"),
        ("VERITABLE_LISTEN", "127.0.0.1:1, 127.0.0.1:2"),
        ("HOME", "/root"),
    ]);
    let overrides = Overrides { workers: Some(3), ..Overrides::default() };
    let config = combine(Config::default(), file, &variables, &overrides).unwrap();
    assert_eq!((config.workers, config.cache.bytes), (3, 6_000_000));
    assert_eq!(config.data_dir, Path::new("environment"));
    assert_eq!(config.listen, ["127.0.0.1:1", "127.0.0.1:2"]);

    let bad = environment(&[("VERITABLE_CACHE_BYTES", "many")]);
    let said = combine(Config::default(), None, &bad, &Overrides::default()).unwrap_err().to_string();
    assert!(said.contains("VERITABLE_CACHE_BYTES") && said.contains("many"), "{said}");
    let overrides = Overrides { listen: vec!["here".into()], ..Overrides::default() };
    let said = combine(Config::default(), None, &BTreeMap::new(), &overrides).unwrap_err().to_string();
    assert!(said.starts_with("--listen: listen: expected") && said.contains("here"), "{said}");
}

#[test]
fn a_misspelt_variable_is_refused_with_the_nearest_name() {
    let misspelt = environment(&[("VERITABLE_WORKER", "2")]);
    let said = combine(Config::default(), None, &misspelt, &Overrides::default()).unwrap_err().to_string();
    assert!(said.contains("VERITABLE_WORKER:") && said.ends_with("VERITABLE_WORKERS"), "{said}");
    let of_tests = environment(&[("VERITABLE_DATA", "/somewhere")]);
    combine(Config::default(), None, &of_tests, &Overrides::default()).unwrap();
}

#[test]
fn an_absent_file_is_named() {
    let said = load(Some(Path::new("no/such/absent.toml")), &Overrides::default()).unwrap_err().to_string();
    assert!(said.starts_with("no/such/absent.toml: "), "{said}");
}
