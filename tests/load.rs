//! The load tests themselves, at rates that disturb nobody: what they say of a server, and how they end.

use std::path::Path;
use std::sync::Arc;

use super::harness::server::{Server, veritable};

/// Runs `veritable-load` against a server; yields its exit code and what it said.
fn run(server: &Server, out: &Path, args: &[&str]) -> (u8, String) {
    let url = format!("http://{}", server.address);
    let (token, login) = (server.token(), format!("admin:{}", server.password()));
    let dir = server.data_dir().to_str().unwrap().to_owned();
    let binary = env!("CARGO_BIN_EXE_veritable");
    let whole = [
        &["veritable-load"],
        args,
        &["--url", &url, "--token", &token, "--login", &login, "--data-dir", &dir, "--binary", binary],
        &["--out", out.to_str().unwrap()],
    ]
    .concat();
    let mut said = Vec::new();
    let code = veritable_load::main(whole.into_iter().map(Into::into), &mut said, Arc::default());
    (code, String::from_utf8(said).unwrap())
}

/// The demonstration, of which one member writes what many would.
fn demo(data_dir: &Path) -> Server {
    let mut program = veritable();
    program.env("VERITABLE_ACCOUNTS_LIMITS", "off");
    Server::start(program, "demo", data_dir, &[])
}

fn json(out: &Path, name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(out.join(name)).unwrap()).unwrap()
}

#[test]
fn a_progression_says_what_it_measured_and_whether_budgets_are_kept() {
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = demo(data.path());
    let budgets = out.path().join("budgets.toml");
    let limit = |figure: &str, limit: &str| {
        format!(
            "[[budget]]\nname = '{figure}'\nrun = 'progression'\nat_rps = 50\nfigure = '{figure}'\n{limit}\n"
        )
    };
    // So loose that only a server that does not answer breaks them.
    let kept = limit("errors", "at_most = 0")
        + &limit("p50_ms", "at_most = 9000")
        + &limit("pss_mb", "at_most = 9000");
    std::fs::write(&budgets, &kept).unwrap();
    let budgets = budgets.to_str().unwrap();
    let asked =
        ["progression", "--steps", "20,60", "--seconds", "1", "--connections", "8", "--budgets", budgets];
    let (code, said) = run(&server, out.path(), &asked);
    assert_eq!(code, veritable_load::KEPT, "{said}");
    assert!(said.contains("Kept: 3 of 3 budgets"), "{said}");

    let report = json(out.path(), "progression.json");
    let steps = report["data"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{report:#}");
    for (step, rate) in steps.iter().zip([20.0, 60.0]) {
        assert_eq!(step["asked_rps"], rate);
        assert_eq!(step["answered"].as_f64(), Some(rate), "each request of a second is answered: {step:#}");
        assert!(step["p50_ms"].as_f64().unwrap() > 0.0 && step["hit_percent"].is_number(), "{step:#}");
        let roles: Vec<_> = step["processes"].as_array().unwrap().iter().map(|p| p["role"].clone()).collect();
        assert_eq!(roles, ["master", "worker 0", "worker 1", "writer"], "{step:#}");
        assert!(step["processes"][1]["pss_mb"].as_f64().unwrap() > 0.5, "{step:#}");
    }
    let page = std::fs::read_to_string(out.path().join("progression.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg role=\"img\""), "{page}");
    assert!(page.contains("<td>60</td>"), "{page}");

    // A budget that nothing keeps.
    let asked = [&asked[..], &["--scenario", "guests"]].concat();
    std::fs::write(budgets, kept + &limit("p95_ms", "at_most = 0")).unwrap();
    let (code, said) = run(&server, out.path(), &asked);
    assert_eq!(code, veritable_load::BROKEN, "{said}");
    assert!(said.starts_with("FALLS SHORT  p95_ms: measured"), "{said}");
    let page = std::fs::read_to_string(out.path().join("progression.html")).unwrap();
    assert!(page.find("Falls short").unwrap() < page.find("Kept</b>").unwrap());
}

#[test]
fn every_scenario_can_be_played_on_the_demonstration_without_errors() {
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = demo(data.path());
    for scenario in ["guests", "search", "members", "logins", "posting", "editing", "reads", "mixed"] {
        let asked = ["users", "4", "--seconds", "1", "--think", "0.02", "--scenario", scenario];
        let (code, said) = run(&server, out.path(), &asked);
        let report = json(out.path(), "users.json");
        let figures = &report["data"]["figures"];
        assert_eq!(
            (code, &figures["errors"]),
            (veritable_load::KEPT, &0.into()),
            "{scenario}: {said}{figures:#}"
        );
        assert!(figures["answered"].as_u64().unwrap() > 4, "{scenario}: {figures:#}");
    }
}

#[test]
fn what_cannot_be_meant_is_misuse() {
    let out = tempfile::tempdir().unwrap();
    let main = |args: &[&str]| {
        let out = out.path().to_str().unwrap();
        let whole = [&["veritable-load"], args, &["--out", out]].concat();
        veritable_load::main(whole.into_iter().map(Into::into), &mut Vec::new(), Arc::default())
    };
    // 192.0.2.1 is nobody's (RFC 5737), and is not asked.
    assert_eq!(main(&["users", "5", "--url", "http://192.0.2.1/"]), veritable_load::MISUSE);
    assert_eq!(main(&["users", "5", "--url", "ftp://127.0.0.1/"]), veritable_load::MISUSE);
    assert_eq!(main(&["users", "5", "--spawn", "/nowhere"]), veritable_load::MISUSE);
    assert_eq!(main(&["users", "5", "--demo", "--budgets", "/nowhere"]), veritable_load::MISUSE);
    assert_eq!(main(&["users", "5", "--url", "http://127.0.0.1:1"]), veritable_load::FAILED);
}
