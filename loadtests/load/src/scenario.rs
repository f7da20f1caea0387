//! What people do, and in which shares.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One thing that somebody does. Some take two requests: an edit reads what it changes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A guest looks at a list of topics, categories or changes.
    List,
    /// A guest reads a topic.
    Topic,
    /// A guest reads a page of the wiki.
    Wiki,
    /// A guest looks at who somebody is.
    Profile,
    /// A guest searches.
    Search,
    /// A program reads JSON.
    Program,
    /// A member reads JSON with a token.
    Member,
    /// A member reads a page in a session.
    MemberPage,
    /// A member logs in.
    LogIn,
    /// A member replies to a topic.
    Reply,
    /// A member opens a topic.
    NewTopic,
    /// A member changes a post of their own, after reading its source.
    EditPost,
    /// A member changes a page of the wiki, after reading its source.
    EditPage,
}

impl Step {
    fn needs_token(self) -> bool {
        matches!(self, Step::Member) || self.writes()
    }

    fn needs_session(self) -> bool {
        matches!(self, Step::MemberPage | Step::LogIn)
    }

    /// Whether it leaves something behind: a text, or a session.
    fn changes(self) -> bool {
        self.writes() || matches!(self, Step::LogIn)
    }

    fn writes(self) -> bool {
        matches!(self, Step::Reply | Step::NewTopic | Step::EditPost | Step::EditPage)
    }

    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Step::List => "lists",
            Step::Topic => "topics",
            Step::Wiki => "wiki pages",
            Step::Profile => "profiles",
            Step::Search => "searches",
            Step::Program => "programs reading the API",
            Step::Member => "members reading the API",
            Step::MemberPage => "members reading pages",
            Step::LogIn => "logins",
            Step::Reply => "replies",
            Step::NewTopic => "new topics",
            Step::EditPost => "edits of posts",
            Step::EditPage => "edits of wiki pages",
        }
    }
}

/// What the visitors of a run do. The shares are in loadtests/README.md too.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Guests read lists, topics, wiki pages and profiles
    Guests,
    /// Guests search, and read what they find
    Search,
    /// Members read pages in sessions, and the API with tokens
    Members,
    /// Members log in
    Logins,
    /// Members reply and open topics
    Posting,
    /// Members edit posts and wiki pages
    Editing,
    /// All that read, in the shares of `mixed`
    Reads,
    /// Everybody: 98 % read, 2 % write
    Mixed,
}

/// Steps of ten thousand.
type Shares = &'static [(Step, u16)];

const GUESTS: Shares =
    &[(Step::List, 2_400), (Step::Topic, 4_800), (Step::Wiki, 2_400), (Step::Profile, 400)];
const SEARCH: Shares = &[(Step::Search, 6_000), (Step::Topic, 3_000), (Step::Wiki, 1_000)];
const MEMBERS: Shares = &[(Step::MemberPage, 8_000), (Step::Member, 2_000)];
const LOGINS: Shares = &[(Step::LogIn, 10_000)];
const POSTING: Shares = &[(Step::Reply, 9_500), (Step::NewTopic, 500)];
const EDITING: Shares = &[(Step::EditPost, 5_000), (Step::EditPage, 5_000)];
// One in a hundred visitors writes and nine contribute now and then, the rest read (the "90-9-1" rule of thumb of
// online communities); of 98 readings five are searches, as many are made by programs. Members log in once in 300
// pages: sessions last for a month.
const MIXED: Shares = &[
    (Step::List, 1_900),
    (Step::Topic, 3_800),
    (Step::Wiki, 2_000),
    (Step::Profile, 300),
    (Step::Search, 500),
    (Step::Program, 500),
    (Step::MemberPage, 648),
    (Step::Member, 150),
    (Step::LogIn, 2),
    (Step::Reply, 120),
    (Step::NewTopic, 10),
    (Step::EditPost, 40),
    (Step::EditPage, 30),
];

impl Scenario {
    /// Its steps, each with its share of ten thousand (of what is listed, for `reads`).
    pub fn shares(self) -> Vec<(Step, u16)> {
        match self {
            Scenario::Guests => GUESTS.to_vec(),
            Scenario::Search => SEARCH.to_vec(),
            Scenario::Members => MEMBERS.to_vec(),
            Scenario::Logins => LOGINS.to_vec(),
            Scenario::Posting => POSTING.to_vec(),
            Scenario::Editing => EDITING.to_vec(),
            Scenario::Reads => MIXED.iter().copied().filter(|(step, _)| !step.changes()).collect(),
            Scenario::Mixed => MIXED.to_vec(),
        }
    }

    /// Whether somebody in it needs a token.
    pub fn needs_token(self) -> bool {
        self.shares().iter().any(|(step, _)| step.needs_token())
    }

    /// Whether somebody in it needs a session.
    pub fn needs_session(self) -> bool {
        self.shares().iter().any(|(step, _)| step.needs_session())
    }

    /// Whether somebody in it writes.
    pub fn writes(self) -> bool {
        self.shares().iter().any(|(step, _)| step.writes())
    }

    /// As the command line and budgets name it.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Guests => "guests",
            Scenario::Search => "search",
            Scenario::Members => "members",
            Scenario::Logins => "logins",
            Scenario::Posting => "posting",
            Scenario::Editing => "editing",
            Scenario::Reads => "reads",
            Scenario::Mixed => "mixed",
        }
    }

    /// The shares in words.
    pub fn described(self) -> String {
        let shares = self.shares();
        let sum: u16 = shares.iter().map(|(_, share)| share).sum();
        let part = |(step, share): &(Step, u16)| {
            format!("{} {:.2} %", step.name(), 100.0 * f64::from(*share) / f64::from(sum))
        };
        shares.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_and_the_command_line_call_a_scenario_by_its_name() {
        for scenario in Scenario::value_variants() {
            let in_budgets = serde_json::to_value(scenario).unwrap();
            assert_eq!(in_budgets, scenario.name());
            let on_the_line = scenario.to_possible_value().unwrap();
            assert_eq!(on_the_line.get_name(), scenario.name());
        }
    }

    #[test]
    fn shares_add_up_and_reads_write_nothing() {
        for scenario in Scenario::value_variants().iter().filter(|s| **s != Scenario::Reads) {
            let sum: u16 = scenario.shares().iter().map(|(_, share)| share).sum();
            assert_eq!(sum, 10_000, "{scenario:?}");
        }
        assert!(
            !Scenario::Reads.shares().iter().any(|(step, _)| step.changes()) && Scenario::Reads.needs_token()
        );
        assert!(
            Scenario::Mixed.writes() && !Scenario::Guests.needs_token() && !Scenario::Guests.needs_session()
        );
        assert!(Scenario::Mixed.described().contains("topics 38.00 %"), "{}", Scenario::Mixed.described());
    }
}
