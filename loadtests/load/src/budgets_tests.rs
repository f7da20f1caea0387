//! Budgets, held against what never was measured.

use super::*;

const FILE: &str = r#"
    [[budget]]
    name = "95 of 100 in 127 ms"
    run = "progression"
    scenario = "mixed"
    at_rps = 2340
    figure = "p95_ms"
    at_most = 127

    [[budget]]
    name = "throughput"
    run = "progression"
    at_rps = 2340
    figure = "achieved_rps"
    at_least = 2340
"#;

fn step(rps: f64, p95: f64, achieved: f64) -> Point {
    Point {
        run: Run::Progression,
        scenario: Some(Scenario::Mixed),
        rps: Some(rps),
        users: None,
        short: false,
        what: None,
        partial: None,
        figures: [("p95_ms", p95), ("achieved_rps", achieved)].into(),
    }
}

fn standings(points: &[Point], saturated: bool) -> Vec<(String, Standing)> {
    let budgets = Budgets::parse(FILE, "x").unwrap();
    let verdicts = budgets.judge(Run::Progression, points, saturated);
    verdicts.into_iter().map(|v| (v.budget.figure, v.standing)).collect()
}

#[test]
fn the_lowest_step_that_is_high_enough_decides() {
    let points =
        [step(2_000.0, 900.0, 2_000.0), step(2_500.0, 100.0, 2_499.0), step(5_000.0, 400.0, 4_000.0)];
    let kept = |figure: &str| (figure.to_owned(), Standing::Kept);
    assert_eq!(standings(&points, true), [kept("p95_ms"), kept("achieved_rps")]);
}

#[test]
fn what_is_broken_is_named_first_with_what_was_measured() {
    let budgets = Budgets::parse(FILE, "x").unwrap();
    let verdicts = budgets.judge(Run::Progression, &[step(2_500.0, 12.345, 2_300.0)], false);
    assert_eq!(verdicts[0].line, "throughput: measured 2300 (at least 2340, achieved_rps)");
    assert_eq!(verdicts[0].standing, Standing::Broken);
    assert_eq!(verdicts[1].line, "95 of 100 in 127 ms: measured 12.3 (at most 127, p95_ms)");
}

#[test]
fn a_rate_that_was_not_tried_says_nothing_and_one_that_was_out_of_reach_is_broken() {
    let low = [step(100.0, 1.0, 100.0)];
    assert!(standings(&low, false).iter().all(|(_, standing)| *standing == Standing::NotMeasured));
    assert!(standings(&low, true).iter().all(|(_, standing)| *standing == Standing::Broken));
}

#[test]
fn a_run_that_was_not_whole_neither_keeps_nor_breaks_a_budget() {
    let why = "10 s were measured, not 60";
    for p95 in [1.0, 900.0] {
        let point = Point { partial: Some(why.into()), ..step(2_500.0, p95, 2_500.0) };
        let verdicts = Budgets::parse(FILE, "x").unwrap().judge(Run::Progression, &[point], false);
        assert!(verdicts.iter().all(|v| v.standing == Standing::NotMeasured && v.line.contains(why)));
        assert_eq!(verdicts.len(), 2);
    }
}

#[test]
fn budgets_of_other_scenarios_and_runs_are_left_out() {
    let mut point = step(2_500.0, 1_000.0, 2_500.0);
    point.scenario = Some(Scenario::Guests);
    assert_eq!(standings(&[point], false), [("achieved_rps".to_owned(), Standing::Kept)]);
    assert!(Budgets::parse(FILE, "x").unwrap().judge(Run::Users, &[], false).is_empty());
}

#[test]
fn a_file_that_cannot_be_meant_is_refused_by_name() {
    for (text, part) in [
        ("[[budget]]\nname = 'a'\nrun = 'soak'\nfigure = 'p95_ms'", "exactly one"),
        ("[[budget]]\nname = 'a'\nrun = 'soak'\nfigure = 'speed'\nat_most = 1", "no figure \"speed\""),
        ("[[budget]]\nname = 'a'\nrun = 'walk'\nfigure = 'p95_ms'\nat_most = 1", "unknown variant `walk`"),
        ("[[budget]]\nname = 'a'\nrun = 'soak'\nlimit = 1", "unknown field"),
        ("[[budget]]\nname = 'a'\nrun = 'soak'\nscenario = 'mixd'", "unknown variant `mixd`"),
        (
            "[[budget]]\nname = 'a'\nrun = 'peers'\nwhat = 'topic, cached'",
            "unknown variant `topic, cached`, expected one of `topic list, page, cached`",
        ),
        (
            "[[budget]]\nname = 'a'\nrun = 'soak'\nusers = 5\nfigure = 'p95_ms'\nat_most = 1",
            "budget \"a\": users is none of the keys of a budget of soak",
        ),
        (
            "[[budget]]\nname = 'a'\nrun = 'peers'\nscenario = 'mixed'\nfigure = 'errors'\nat_most = 1",
            "scenario is none",
        ),
    ] {
        let error = Budgets::parse(text, "budgets.toml").unwrap_err().to_string();
        assert!(error.contains(part) && error.starts_with("budgets.toml"), "{part}: {error}");
    }
}

#[test]
fn an_answer_that_was_not_compared_is_not_measured() {
    let text = "[[budget]]\nname = 'a'\nrun = 'peers'\nwhat = 'wiki page, API, cached'\nfigure = \
                'cpu_of_axum'\nat_most = 1";
    let verdicts = Budgets::parse(text, "x").unwrap().judge(Run::Peers, &[], false);
    assert_eq!(verdicts[0].standing, Standing::NotMeasured);
    assert_eq!(verdicts[0].budget.what, Some(Answer::WikiApiCached));
}

#[test]
fn the_projects_own_file_is_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../budgets.toml");
    let budgets = Budgets::read(&path).unwrap();
    assert!(budgets.budgets.len() > 8, "{}", budgets.budgets.len());
}
