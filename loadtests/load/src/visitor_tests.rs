//! Visitors, played without a server.

use rand::SeedableRng;

use super::*;
use crate::ask::CacheSays;
use crate::community::{Page, Topic};
use crate::engine::Visitor as _;

fn community() -> Community {
    Community {
        lists: vec!["/latest".into(), "/".into()],
        topics: (1..=50)
            .map(|id| Topic {
                page: format!("/t/topic/{id}").into(),
                posts: format!("/api/topics/{id}/posts").into(),
                size: 3,
            })
            .collect(),
        pages: vec![Page { page: "/wiki/A".into(), api: "/api/wiki/pages/1".into() }],
        profiles: vec!["/u/ann".into()],
        open_categories: vec![4],
        open_topics: vec![1, 2],
        words: vec!["garden".into(), "über".into()],
        style: Some("/static/style.css".into()),
    }
}

fn members() -> Vec<Member> {
    let login = Login { name: "ann".into(), password: "p".into() };
    let session = Some((Credential::Cookie("session=x".into()), login));
    vec![Member { token: Some(Credential::Token("vt_x".into())), session }]
}

fn visitor(scenario: Scenario) -> Visitor {
    Visitor::new(Arc::new(World::new(community(), scenario, members()).unwrap()), 0)
}

fn reply(body: &Value) -> Reply {
    let body = body.to_string().into();
    Reply { status: 200, etag: Some("\"1\"".into()), cache: CacheSays::Hit, cookies: None, bytes: 5, body }
}

#[test]
fn a_browser_asks_for_the_style_once_and_for_what_it_has_with_its_tag() {
    let (mut visitor, mut random) = (visitor(Scenario::Guests), SmallRng::seed_from_u64(1));
    let (mut styles, mut revalidated, mut seen) = (0, 0, std::collections::HashSet::new());
    for _ in 0..2_000 {
        let ask = visitor.next(&mut random);
        assert_eq!((&ask.method, &ask.as_member), (&Method::Get, &None));
        styles += u32::from(ask.kind == Kind::Style);
        revalidated += u32::from(ask.known.is_some());
        assert!(ask.known.is_none() || seen.contains(&ask.target), "{} was never asked for", ask.target);
        seen.insert(ask.target.clone());
        visitor.answered(&ask, Ok(&reply(&json!({}))));
    }
    // 2,000 things in visits of eight, of which seven in ten are by somebody new.
    assert!((100..250).contains(&styles), "{styles}");
    assert!((200..1_500).contains(&revalidated), "{revalidated}");
}

#[test]
fn shares_of_a_long_run_are_those_of_the_scenario() {
    let (mut visitor, mut random) = (visitor(Scenario::Mixed), SmallRng::seed_from_u64(2));
    let (mut topics, mut replies, mut members) = (0, 0, 0);
    for _ in 0..50_000 {
        // Nothing is answered, so that nothing follows by itself.
        let ask = visitor.next(&mut random);
        topics += u32::from(ask.kind == Kind::Topic);
        replies += u32::from(ask.kind == Kind::Reply);
        members += u32::from(matches!(ask.kind, Kind::Member | Kind::MemberPage));
        assert!(ask.as_member.is_some() || ask.method == Method::Get);
        assert!(ask.target.is_ascii(), "{}", ask.target);
    }
    assert!((18_500..19_500).contains(&topics), "{topics}");
    assert!((3_800..4_200).contains(&members), "{members}");
    // Replies, and edits by those who have no post yet.
    assert!((650..950).contains(&replies), "{replies}");
}

#[test]
fn an_edit_reads_first_and_says_which_version_it_changes() {
    let (mut visitor, mut random) = (visitor(Scenario::Editing), SmallRng::seed_from_u64(3));
    let mut ask = visitor.next(&mut random);
    while ask.kind != Kind::EditPage {
        visitor.answered(&ask, Ok(&reply(&json!({"post": {"id": 9, "number": 2}}))));
        ask = visitor.next(&mut random);
    }
    assert_eq!((&*ask.target, &ask.method), ("/api/wiki/pages/1", &Method::Get));
    let page = json!({"title": "A", "source": "Text", "revision": 7, "protected": false});
    visitor.answered(&ask, Ok(&reply(&page)));
    assert!(visitor.is_midway());
    let ask = visitor.next(&mut random);
    let Method::Send("PUT", body) = &ask.method else { panic!("{ask:?}") };
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&body["base_revision"], &body["title"]), (&json!(7), &json!("A")));
    assert_eq!(body["body"], "Text\n\nNote of a load test: after version 7.");
    assert_eq!(noted(body["body"].as_str().unwrap(), 8), "Text\n\nNote of a load test: after version 8.");

    // A post only after there is one, and a protected page not at all.
    let post = json!({"post": {"id": 9}, "current": {"version": 2, "source": "Mine"}});
    let edit = visitor.edit(Kind::EditPost, &post).unwrap();
    assert_eq!((&*edit.target, edit.as_member.is_some()), ("/api/posts/9", true));
    let closed = json!({"title": "A", "source": "Text", "revision": 7, "protected": true});
    assert!(visitor.edit(Kind::EditPage, &closed).is_none());
}

#[test]
fn a_members_posts_are_edited_by_whoever_plays_the_part_in_this_step_or_a_later_one() {
    let (one, other) = (Credential::Token("vt_1".into()), Credential::Token("vt_2".into()));
    let members = [one, other].map(|token| Member { token: Some(token), session: None });
    let community = Community { pages: Vec::new(), ..community() };
    let world = Arc::new(World::new(community, Scenario::Editing, members.to_vec()).unwrap());
    let mut random = SmallRng::seed_from_u64(4);
    let mut first = Visitor::new(world.clone(), 0);
    let ask = first.step(Step::EditPost, &mut random);
    assert_eq!(ask.kind, Kind::Reply, "there is no post to edit yet");
    first.answered(&ask, Ok(&reply(&json!({"post": {"id": 9, "number": 2}}))));
    drop(first);

    let edits = |number, random: &mut SmallRng| {
        let mut visitor = Visitor::new(world.clone(), number);
        let asks: Vec<Ask> = (0..200).map(|_| visitor.step(Step::EditPost, random)).collect();
        let edits: Vec<Ask> = asks.into_iter().filter(|ask| ask.kind == Kind::EditPost).collect();
        assert!(edits.iter().all(|ask| &*ask.target == "/api/posts/9"));
        edits.len()
    };
    let found = edits(2, &mut random);
    assert!((50..150).contains(&found), "half of them, with one post: {found}");
    assert_eq!(edits(1, &mut random), 0, "another member's post is not edited");
}

#[test]
fn what_a_scenario_needs_is_said_when_it_is_not_there() {
    let error = World::new(community(), Scenario::Mixed, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("mixed") && error.contains("--token"), "{error}");
    let locked = Community { open_topics: Vec::new(), ..community() };
    assert!(World::new(locked, Scenario::Posting, members()).unwrap_err().to_string().contains("locked"));
    assert!(World::new(community(), Scenario::Guests, Vec::new()).is_ok());
    // A community without a wiki can be read all the same.
    let small = Community { pages: Vec::new(), profiles: Vec::new(), ..community() };
    let mut visitor = Visitor::new(Arc::new(World::new(small, Scenario::Guests, Vec::new()).unwrap()), 3);
    let mut random = SmallRng::seed_from_u64(5);
    assert!((0..200).all(|_| visitor.next(&mut random).target.starts_with('/')));
}
