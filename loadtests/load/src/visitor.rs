//! Somebody who visits the community: reads what is popular, with what the browser remembers; now and then writes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand_distr::weighted::WeightedIndex;
use rand_distr::{Distribution, Geometric};
use serde_json::{Value, json};

use crate::ask::{Ask, Credential, Kind, Method, Reply, Trouble};
use crate::community::Community;
use crate::engine;
use crate::member::{self, Login, Member, OwnPosts};
use crate::popularity::Popularity;
use crate::scenario::{Scenario, Step};

/// Things done in one visit, on average (geometrically distributed).
const VISIT: f64 = 8.0;
/// Part of the visits made by somebody whose browser remembers the last one.
const RETURNING: f64 = 0.3;
/// Addresses whose entity tags a browser remembers here.
const REMEMBERED: usize = 64;
/// Words of a post: at least, and at most.
const POST_WORDS: (usize, usize) = (15, 120);
/// Words of a topic's title.
const TITLE_WORDS: usize = 6;
/// What begins the line that an edit of a page adds or replaces, so that pages do not grow with every edit.
const NOTE: &str = "Note of a load test: ";

/// Where the visitors of a run are, and what they do there.
#[derive(Debug)]
pub struct World {
    community: Community,
    steps: Vec<Step>,
    weights: WeightedIndex<u16>,
    tokens: Vec<Credential>,
    sessions: Vec<(Credential, Login)>,
    /// What each of those with a token has posted in this run, whoever played the part.
    own_posts: Vec<OwnPosts>,
    popularity: Popularities,
    visit: Geometric,
}

#[derive(Debug)]
struct Popularities {
    lists: Popularity,
    topics: Popularity,
    pages: Popularity,
    profiles: Popularity,
    open_topics: Popularity,
    words: Popularity,
}

/// Why a scenario cannot be played in a community.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Nobody to write as.
    #[error(
        "the scenario {scenario} needs a member's token: give --token, or --spawn or --demo, which make their own"
    )]
    NoToken {
        /// Which.
        scenario: &'static str,
    },
    /// Nobody to log in as.
    #[error(
        "the scenario {scenario} needs a member who can log in: give --login, or --spawn or --demo, which make their own"
    )]
    NoLogin {
        /// Which.
        scenario: &'static str,
    },
    /// Nothing to write to.
    #[error("the scenario {scenario} writes, and every topic or category is locked")]
    Locked {
        /// Which.
        scenario: &'static str,
    },
}

impl World {
    /// # Errors
    /// The scenario needs what is not there.
    pub fn new(community: Community, scenario: Scenario, members: Vec<Member>) -> Result<World, WorldError> {
        let name = scenario.name();
        let tokens: Vec<Credential> = members.iter().filter_map(|member| member.token.clone()).collect();
        let sessions: Vec<_> = members.into_iter().filter_map(|member| member.session).collect();
        if scenario.needs_token() && tokens.is_empty() {
            return Err(WorldError::NoToken { scenario: name });
        }
        if scenario.needs_session() && sessions.is_empty() {
            return Err(WorldError::NoLogin { scenario: name });
        }
        if scenario.writes() && (community.open_topics.is_empty() || community.open_categories.is_empty()) {
            return Err(WorldError::Locked { scenario: name });
        }
        let (steps, weights): (Vec<_>, Vec<_>) = scenario.shares().into_iter().unzip();
        Ok(World {
            popularity: Popularities {
                lists: Popularity::of(community.lists.len()),
                topics: Popularity::of(community.topics.len()),
                pages: Popularity::of(community.pages.len()),
                profiles: Popularity::of(community.profiles.len()),
                open_topics: Popularity::of(community.open_topics.len()),
                words: Popularity::of(community.words.len()),
            },
            // Both are constants above zero; a test makes one of each.
            weights: WeightedIndex::new(weights).unwrap_or_else(|_| unreachable!()),
            visit: Geometric::new(1.0 / VISIT).unwrap_or_else(|_| unreachable!()),
            community,
            steps,
            own_posts: tokens.iter().map(|_| OwnPosts::default()).collect(),
            tokens,
            sessions,
        })
    }

    /// What there is to read.
    pub fn community(&self) -> &Community {
        &self.community
    }

    fn text(&self, words: usize, random: &mut SmallRng) -> String {
        let mut text = String::new();
        for _ in 0..words {
            if !text.is_empty() {
                text.push(' ');
            }
            let word = self.popularity.words.pick(&self.community.words, random);
            text.push_str(word.map_or("word", |word| word));
        }
        text
    }
}

/// One of them, at one connection.
#[derive(Debug)]
pub struct Visitor {
    world: Arc<World>,
    /// Which of those with a token, if there are any.
    member: usize,
    session: Option<(Credential, Login)>,
    /// What is left to do in this visit.
    left: u64,
    /// What a browser asks for of its own accord, or a program to end what it began.
    pending: VecDeque<Ask>,
    has_style: bool,
    remembered: HashMap<Arc<str>, Arc<str>>,
}

impl Visitor {
    /// Visitor number `number`; as a member, if one is needed, one of those there are.
    pub fn new(world: Arc<World>, number: usize) -> Visitor {
        let member = number % world.tokens.len().max(1);
        let session = world.sessions.get(number % world.sessions.len().max(1)).cloned();
        Visitor {
            world,
            member,
            session,
            left: 0,
            pending: VecDeque::new(),
            has_style: false,
            remembered: HashMap::new(),
        }
    }

    fn arrive(&mut self, random: &mut SmallRng) {
        self.left = 1 + self.world.visit.sample(random);
        if !random.random_bool(RETURNING) {
            self.has_style = false;
            self.remembered.clear();
        }
    }

    /// A page as a browser asks for it: with what it has of it already.
    fn page(&self, kind: Kind, address: &Arc<str>) -> Ask {
        Ask { known: self.remembered.get(address).cloned(), ..Ask::get(kind, address.clone()) }
    }

    fn as_member(&self, ask: Ask) -> Ask {
        match self.world.tokens.get(self.member) {
            Some(token) => ask.by(token.clone()),
            None => ask,
        }
    }

    fn send(&self, kind: Kind, method: &'static str, target: String, body: &Value) -> Ask {
        let method = Method::Send(method, body.to_string().into());
        self.as_member(Ask { method, wants_body: kind == Kind::Reply, plain: true, ..Ask::get(kind, target) })
    }

    fn step(&mut self, step: Step, random: &mut SmallRng) -> Ask {
        let world = self.world.clone();
        let (community, popularity) = (&world.community, &world.popularity);
        let list = |random: &mut SmallRng| {
            self.page(
                Kind::List,
                popularity.lists.pick(&community.lists, random).unwrap_or(&community.lists[0]),
            )
        };
        match step {
            Step::List => list(random),
            Step::Topic => match popularity.topics.pick(&community.topics, random) {
                Some(topic) => self.page(Kind::Topic, &topic.page),
                None => list(random),
            },
            Step::Wiki => match popularity.pages.pick(&community.pages, random) {
                Some(page) => self.page(Kind::Wiki, &page.page),
                None => list(random),
            },
            Step::Profile => match popularity.profiles.pick(&community.profiles, random) {
                Some(profile) => self.page(Kind::Profile, profile),
                None => list(random),
            },
            Step::Search => {
                let words = if random.random_bool(0.7) { 1 } else { 2 };
                let query = world.text(words, random).replace(' ', "+");
                let query =
                    percent_encoding::utf8_percent_encode(&query, percent_encoding::CONTROLS).to_string();
                Ask::get(Kind::Search, format!("/search?q={query}"))
            }
            Step::Program => self.read_api(Kind::Api, random),
            Step::Member => self.as_member(self.read_api(Kind::Member, random)),
            Step::MemberPage => {
                let ask = Ask::get(Kind::MemberPage, self.member_page(random));
                match &self.session {
                    Some((session, _)) => ask.by(session.clone()),
                    None => ask,
                }
            }
            Step::LogIn => member::log_in_page(),
            Step::Reply => self.reply(random),
            Step::NewTopic => {
                let place = random.random_range(0..community.open_categories.len());
                let target = format!("/api/forums/{}/topics", community.open_categories[place]);
                let body = json!({"title": world.text(TITLE_WORDS, random), "body": self.post_text(random)});
                self.send(Kind::NewTopic, "POST", target, &body)
            }
            Step::EditPost => match world.own_posts.get(self.member).and_then(|own| own.pick(random)) {
                Some(post) => {
                    let ask = Ask::get(Kind::EditPost, format!("/api/posts/{post}"));
                    self.as_member(Ask { wants_body: true, ..ask })
                }
                // Nobody edits a post before having written one; now and then a new one.
                None => self.reply(random),
            },
            Step::EditPage => match popularity.pages.pick(&community.pages, random) {
                Some(page) => {
                    let ask = Ask::get(Kind::EditPage, page.api.clone());
                    self.as_member(Ask { wants_body: true, ..ask })
                }
                None => self.reply(random),
            },
        }
    }

    /// What programs read: half of it the latest, half single topics and pages.
    fn read_api(&self, kind: Kind, random: &mut SmallRng) -> Ask {
        let (community, popularity) = (&self.world.community, &self.world.popularity);
        let latest: &[&str] = &["/api/forums/topics", "/api/forums", "/api/wiki/changes"];
        let drawn = random.random_range(0..10);
        let topic = || popularity.topics;
        match drawn {
            0..5 => Ask::get(kind, latest[random.random_range(0..latest.len())]),
            5..8 => match topic().pick(&community.topics, random) {
                Some(topic) => Ask::get(kind, topic.posts.clone()),
                None => Ask::get(kind, latest[0]),
            },
            _ => match popularity.pages.pick(&community.pages, random) {
                Some(page) => Ask::get(kind, page.api.clone()),
                None => Ask::get(kind, latest[0]),
            },
        }
    }

    /// What members look at: topics above all, lists of what is new, now and then the wiki.
    fn member_page(&self, random: &mut SmallRng) -> Arc<str> {
        let (community, popularity) = (&self.world.community, &self.world.popularity);
        let list = |random: &mut SmallRng| {
            popularity.lists.pick(&community.lists, random).unwrap_or(&community.lists[0]).clone()
        };
        match random.random_range(0..10) {
            0..5 => match popularity.topics.pick(&community.topics, random) {
                Some(topic) => topic.page.clone(),
                None => list(random),
            },
            5..8 => list(random),
            _ => match popularity.pages.pick(&community.pages, random) {
                Some(page) => page.page.clone(),
                None => list(random),
            },
        }
    }

    fn reply(&self, random: &mut SmallRng) -> Ask {
        let community = &self.world.community;
        let topic = self.world.popularity.open_topics.pick(&community.open_topics, random);
        let target = format!("/api/topics/{}/posts", topic.unwrap_or(&community.open_topics[0]));
        self.send(Kind::Reply, "POST", target, &json!({"body": self.post_text(random)}))
    }

    fn post_text(&self, random: &mut SmallRng) -> String {
        let words = random.random_range(POST_WORDS.0..=POST_WORDS.1);
        self.world.text(words, random)
    }

    /// The second request of an edit, from the answer to the first.
    fn edit(&self, kind: Kind, read: &Value) -> Option<Ask> {
        if kind == Kind::EditPost {
            let id = read["post"]["id"].as_i64()?;
            let version = read["current"]["version"].as_i64()?;
            let source = read["current"]["source"].as_str()?;
            let body = json!({"body": noted(source, version), "base_version": version});
            return Some(self.send(kind, "PATCH", format!("/api/posts/{id}"), &body));
        }
        if read["protected"].as_bool()? {
            return None;
        }
        let revision = read["revision"].as_i64()?;
        let body = json!({
            "title": read["title"].as_str()?,
            "body": noted(read["source"].as_str()?, revision),
            "base_revision": revision,
        });
        Some(self.send(kind, "PUT", "/api/wiki/pages".to_owned(), &body))
    }
}

/// The source with a last line that says after which version it was changed.
fn noted(source: &str, version: i64) -> String {
    let kept = source.rfind(NOTE).map_or(source, |at| &source[..at]).trim_end();
    format!("{kept}\n\n{NOTE}after version {version}.")
}

impl engine::Visitor for Visitor {
    fn next(&mut self, random: &mut SmallRng) -> Ask {
        if let Some(pending) = self.pending.pop_front() {
            return pending;
        }
        if self.left == 0 {
            self.arrive(random);
        }
        self.left -= 1;
        let step = self.world.steps[self.world.weights.sample(random)];
        self.step(step, random)
    }

    fn answered(&mut self, ask: &Ask, result: Result<&Reply, Trouble>) {
        let Ok(reply) = result else { return };
        let is_page =
            matches!(ask.kind, Kind::List | Kind::Topic | Kind::Wiki | Kind::Profile | Kind::Search);
        if is_page && !self.has_style {
            self.has_style = true;
            if let Some(style) = &self.world.community.style {
                self.pending.push_back(Ask::get(Kind::Style, style.clone()));
            }
        }
        if is_page && let Some(etag) = &reply.etag {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.clear();
            }
            self.remembered.insert(ask.target.clone(), etag.clone());
        }
        if !ask.wants_body {
            return;
        }
        if ask.kind == Kind::LogIn {
            let login = self.session.as_ref().map(|(_, login)| login);
            self.pending.extend(login.and_then(|login| login.sent(reply)));
            return;
        }
        // An answer that is not of the API has been counted; there is nothing to go on with.
        let Ok(value) = serde_json::from_slice::<Value>(&reply.body) else { return };
        match (ask.kind, &ask.method) {
            (Kind::Reply, _) => {
                if let Some((own, id)) =
                    self.world.own_posts.get(self.member).zip(value["post"]["id"].as_i64())
                {
                    own.add(id);
                }
            }
            (kind, Method::Get) => self.pending.extend(self.edit(kind, &value)),
            _ => {}
        }
    }

    fn is_midway(&self) -> bool {
        !self.pending.is_empty()
    }
}

#[cfg(test)]
#[path = "visitor_tests.rs"]
mod tests;
