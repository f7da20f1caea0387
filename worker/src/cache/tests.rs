//! One computation for all, what is shown meanwhile, and that nobody is shown what he knows to be outdated.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use veritable_shm::{Geometry, RouteId, Scoreboard};

use super::*;
use crate::answer::Answer;

const SMALL: Geometry = Geometry {
    cache_bytes: 1 << 20,
    cache_entries: 64,
    tag_slots: 64,
    lease_slots: 16,
    worker_slots: 4,
    session_slots: 64,
    limit_slots: 64,
    value_share: 4,
};

const LONG: Lifetime = Lifetime { ttl_ms: 3_600_000, stale_ms: 0 };

/// Two workers of one server.
struct Two {
    segment: Segment,
    tags: Tags,
    caches: [Arc<SharedCache>; 2],
}

fn two(change: impl Fn(&mut veritable_config::settings::Cache)) -> Two {
    let (_fd, segment) = Segment::create(&SMALL).unwrap();
    let board = Scoreboard::of(&segment);
    let mut config = Config::default();
    change(&mut config.cache);
    let worker = |slot| {
        let owner = board.enlist(slot, 1, 0).unwrap();
        Arc::new(SharedCache::new(&segment, owner, &config).unwrap())
    };
    Two { tags: Tags::of(&segment), caches: [worker(0), worker(1)], segment }
}

fn computed(body: &'static str) -> Result<Computed, Error> {
    let tags = vec![Tag::Topic(veritable_domain::ids::TopicId(1))];
    let answer = Answer::html(body.into(), tags.clone());
    Ok(Computed { kept: Kept::of(&answer, Encoding::Identity, RouteId::OTHER), tags })
}

fn body(answer: Result<Kept, Arc<Error>>) -> Bytes {
    answer.expect("an answer").body
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_over_two_workers_cost_one_computation() {
    let two = two(|_| {});
    let computations = Arc::new(AtomicUsize::new(0));
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut askers = tokio::task::JoinSet::new();
    for asker in 0..1_000 {
        let cache = two.caches[asker % 2].clone();
        let (computations, started, go_on) = (computations.clone(), started.clone(), go_on.clone());
        askers.spawn(async move {
            let compute = || {
                let (computations, started, go_on) = (computations.clone(), started.clone(), go_on.clone());
                async move {
                    computations.fetch_add(1, Ordering::SeqCst);
                    started.notify_one();
                    go_on.notified().await;
                    computed("once")
                }
            };
            body(cache.get_or_compute(b"key", LONG, compute).await.0)
        });
    }
    started.notified().await;
    go_on.notify_one();
    for answer in askers.join_all().await {
        assert_eq!(answer, "once");
    }
    assert_eq!(computations.load(Ordering::SeqCst), 1);
    assert!(two.caches[0].flights.is_empty() && two.caches[1].flights.is_empty());
    assert_eq!(two.caches[1].get_or_compute(b"key", LONG, || async { computed("twice") }).await.1, How::Hit);
}

#[tokio::test]
async fn who_knows_of_a_change_is_not_given_what_was_being_computed_before_it() {
    let two = two(|_| {});
    let cache = &two.caches[0];
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let early = {
        let (cache, started, go_on) = (cache.clone(), started.clone(), go_on.clone());
        tokio::spawn(async move {
            let compute = || {
                let (started, go_on) = (started.clone(), go_on.clone());
                async move {
                    started.notify_one();
                    go_on.notified().await;
                    computed("before")
                }
            };
            body(cache.get_or_compute(b"key", LONG, compute).await.0)
        })
    };
    started.notified().await;
    two.tags.invalidate(&refs(&[Tag::Topic(veritable_domain::ids::TopicId(1))]));
    let late = {
        let cache = cache.clone();
        tokio::spawn(async move {
            body(cache.get_or_compute(b"key", LONG, || async { computed("after") }).await.0)
        })
    };
    // The late one joins the early one's computation first.
    tokio::task::yield_now().await;
    go_on.notify_one();
    assert_eq!(early.await.unwrap(), "before", "it asked before the change");
    assert_eq!(late.await.unwrap(), "after");
    assert_eq!(body(cache.get_or_compute(b"key", LONG, || async { computed("again") }).await.0), "after");
}

#[tokio::test]
async fn a_computation_outlives_the_asker_who_leaves_and_shares_its_failure() {
    let two = two(|_| {});
    let cache = &two.caches[0];
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let ask = || {
        let (cache, started, go_on) = (cache.clone(), started.clone(), go_on.clone());
        tokio::spawn(async move {
            let compute = || {
                let (started, go_on) = (started.clone(), go_on.clone());
                async move {
                    started.notify_one();
                    go_on.notified().await;
                    Err(Error::Busy)
                }
            };
            cache.get_or_compute(b"key", LONG, compute).await.0
        })
    };
    let first = ask();
    started.notified().await;
    let second = ask();
    tokio::task::yield_now().await;
    first.abort();
    go_on.notify_one();
    assert!(matches!(&*second.await.unwrap().unwrap_err(), Error::Busy), "shared, not computed twice");
    assert_eq!(
        body(cache.get_or_compute(b"key", LONG, || async { computed("now") }).await.0),
        "now",
        "not kept"
    );
}

#[tokio::test]
async fn a_computation_that_panics_is_an_error_to_all_and_blocks_nobody() {
    let two = two(|_| {});
    let cache = &two.caches[0];
    let broken = || async { panic!("a bug") };
    assert!(matches!(&*cache.get_or_compute(b"key", LONG, broken).await.0.unwrap_err(), Error::Internal(_)));
    assert_eq!(body(cache.get_or_compute(b"key", LONG, || async { computed("now") }).await.0), "now");
}

#[tokio::test]
async fn a_worker_that_dies_while_it_computes_blocks_nobody() {
    let two = two(|_| {});
    let [dies, lives] = &two.caches;
    let started = Arc::new(Notify::new());
    let never = || {
        let started = started.clone();
        async move {
            started.notify_one();
            std::future::pending().await
        }
    };
    let flight = dies.fly(b"key", LONG, never());
    started.notified().await;
    Scoreboard::of(&two.segment).retire(0).unwrap();
    assert_eq!(body(lives.get_or_compute(b"key", LONG, || async { computed("now") }).await.0), "now");
    drop(flight);
}

#[tokio::test]
async fn that_there_is_nothing_is_kept_until_anything_changes() {
    let two = two(|_| {});
    let nothing = || async { Err(Error::NotFound { what: "topic".into() }) };
    let missing = |answer: Result<Kept, Arc<Error>>| match &*answer.unwrap_err() {
        Error::NotFound { what } => what.clone(),
        other => panic!("{other}"),
    };
    let (first, how) = two.caches[0].get_or_compute(b"key", LONG, nothing).await;
    assert_eq!((missing(first), how), ("topic".into(), How::Miss));
    let (second, how) = two.caches[1].get_or_compute(b"key", LONG, || async { computed("there") }).await;
    assert_eq!((missing(second), how), ("topic".into(), How::Hit));
    two.tags.invalidate(&[]);
    let (third, how) = two.caches[1].get_or_compute(b"key", LONG, || async { computed("there") }).await;
    assert_eq!((body(third), how), (Bytes::from_static(b"there"), How::Miss));
}

#[tokio::test]
async fn a_page_that_says_there_is_nothing_ends_with_any_change_too() {
    let two = two(|_| {});
    let cache = &two.caches[0];
    // Suggestions instead of a topic: made of no topic at all.
    let suggestions = || async {
        let answer =
            Answer { status: http::StatusCode::NOT_FOUND, ..Answer::html("which?".into(), Vec::new()) };
        Ok(Computed { kept: Kept::of(&answer, Encoding::Identity, RouteId::OTHER), tags: Vec::new() })
    };
    assert_eq!(body(cache.get_or_compute(b"key", LONG, suggestions).await.0), "which?");
    assert_eq!(cache.get_or_compute(b"key", LONG, || async { computed("no") }).await.1, How::Hit);
    two.tags.invalidate(&refs(&[Tag::Topic(veritable_domain::ids::TopicId(7))]));
    assert_eq!(body(cache.get_or_compute(b"key", LONG, || async { computed("there") }).await.0), "there");
}

/// Waits for what another task is about to bring about.
async fn until(reached: impl Fn() -> bool) {
    let begun = tokio::time::Instant::now();
    while !reached() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_answer_whose_time_is_over_is_shown_while_one_worker_makes_the_next() {
    let two = two(|cache| (cache.ttl_seconds, cache.stale_seconds) = (1, 3_600));
    let computations = Arc::new(AtomicUsize::new(0));
    let ask = async |cache: &Arc<SharedCache>| {
        let compute = || {
            let computations = computations.clone();
            async move { computed(if computations.fetch_add(1, Ordering::SeqCst) == 0 { "old" } else { "new" }) }
        };
        let (answer, how) = cache.get_or_compute(b"key", cache.lifetime(Keep::Usual), compute).await;
        (body(answer), how)
    };
    assert_eq!(ask(&two.caches[0]).await, (Bytes::from_static(b"old"), How::Miss));
    until(|| matches!(two.caches[1].find(b"key"), Some((_, How::Stale)))).await;
    for cache in &two.caches {
        assert_eq!(ask(cache).await, (Bytes::from_static(b"old"), How::Stale));
    }
    until(
        || matches!(two.caches[1].find(b"key"), Some((Stored::Answer(kept), How::Hit)) if kept.body == "new"),
    )
    .await;
    assert_eq!(computations.load(Ordering::SeqCst), 2, "one for both workers");
    let board = Scoreboard::of(&two.segment);
    let counted =
        [Counter::CacheHit, Counter::CacheStale, Counter::CacheMiss].map(|counter| board.total(counter));
    assert_eq!(counted, [0, 2, 1], "each who asked is counted once");
}

#[tokio::test]
async fn a_copy_is_used_only_while_the_shared_entry_is_there() {
    let two = two(|_| {});
    let [cache, other] = &two.caches;
    assert_eq!(body(cache.get_or_compute(b"key", LONG, || async { computed("one") }).await.0), "one");
    for _ in 0..3 {
        assert_eq!(cache.get_or_compute(b"key", LONG, || async { computed("no") }).await.1, How::Hit);
    }
    two.tags.invalidate(&refs(&[Tag::Topic(veritable_domain::ids::TopicId(1))]));
    assert_eq!(body(other.get_or_compute(b"key", LONG, || async { computed("two") }).await.0), "two");
    assert_eq!(body(cache.get_or_compute(b"key", LONG, || async { computed("no") }).await.0), "two");
    cache.shed();
    assert_eq!(body(cache.get_or_compute(b"key", LONG, || async { computed("no") }).await.0), "two");
}

/// A cache outside that keeps everything.
#[derive(Default)]
struct Elsewhere(std::sync::Mutex<Values>);

type Values = std::collections::HashMap<(Vec<u8>, u64), Vec<u8>>;

impl Outer for Elsewhere {
    fn get<'a>(&'a self, key: &'a [u8], mark: u64) -> outer::Found<'a> {
        let found = self.0.lock().unwrap().get(&(key.to_vec(), mark)).cloned();
        Box::pin(std::future::ready(found))
    }

    fn put(&self, key: &[u8], mark: u64, value: &[u8], _ttl_ms: u32) {
        self.0.lock().unwrap().insert((key.to_vec(), mark), value.to_vec());
    }
}

#[tokio::test]
async fn a_cache_outside_is_asked_before_anything_is_computed_and_hides_no_change() {
    let outside = Arc::new(Elsewhere::default());
    let host = || {
        let two = two(|_| {});
        let owner = Scoreboard::of(&two.segment).enlist(2, 1, 0).unwrap();
        let mut cache = SharedCache::new(&two.segment, owner, &Config::default()).unwrap();
        cache.outer = Some(outside.clone());
        two.tags.set_mark(7);
        (two, Arc::new(cache))
    };
    let ((_one, first), (other, second)) = (host(), host());
    assert_eq!(body(first.get_or_compute(b"key", LONG, || async { computed("one") }).await.0), "one");
    let (answer, how) = second.get_or_compute(b"key", LONG, || async { computed("two") }).await;
    assert_eq!((body(answer), how), (Bytes::from_static(b"one"), How::Miss), "from outside");
    assert_eq!(second.get_or_compute(b"key", LONG, || async { computed("no") }).await.1, How::Hit);
    // A commit: what is outside belongs to the one before.
    other.tags.invalidate(&refs(&[Tag::Topic(veritable_domain::ids::TopicId(1))]));
    other.tags.set_mark(8);
    assert_eq!(body(second.get_or_compute(b"key", LONG, || async { computed("new") }).await.0), "new");
    // Whatever it says, it is not believed further than it makes sense.
    outside.0.lock().unwrap().values_mut().for_each(|value| value.truncate(3));
    other.tags.invalidate_all();
    assert_eq!(body(second.get_or_compute(b"key", LONG, || async { computed("whole") }).await.0), "whole");
}
