//! The community of the demonstration: a few neighbours around a repair workshop, written for this. It
//! goes the way of every import, so a second seeding changes nothing.

mod account;
mod script;

use veritable_domain::content::{Content, Format};
use veritable_domain::markup::{Namespaces, RenderContext, render};
use veritable_domain::permission::Role;
use veritable_domain::text::{Comment, Source, TextError, TopicTitle, UserName};
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::{PageTitle, full_title, split_title};
use veritable_writer_api::message::{
    Command, Import, ImportCategory, ImportNamespace, ImportPage, ImportPost, ImportRevision, ImportTopic,
    ImportUser,
};

use crate::{ImportError, Sink};
pub use account::DemoAccounts;

/// Name of this source in the database.
pub const SOURCE: &str = "demo";
/// When the community began: 2025-03-01T08:00:00Z. Constant, so that every seeding is the same.
const BEGIN: i64 = 1_740_816_000_000;
const MINUTE: i64 = 60_000;
/// Between two topics, and between two revisions: the whole spans some months.
const STEP: i64 = 61 * 60 * MINUTE;

const FORUM: &str = include_str!("forum.txt");
const WIKI: &str = include_str!("wiki.txt");

/// Sends the community, and an administrator's account unless there is one.
///
/// # Errors
/// What the sink refuses.
pub fn seed(sink: &mut dyn Sink) -> Result<DemoAccounts, ImportError> {
    let script = script::forum(FORUM)?;
    let pages = script::wiki(WIKI)?;
    let mut people: Vec<&str> =
        script.topics.iter().flat_map(|topic| &topic.posts).map(|post| post.author).collect();
    people.extend(pages.iter().flat_map(|page| &page.revisions).map(|revision| revision.author));
    people.sort_unstable();
    people.dedup();
    let users = people.into_iter().map(user).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    step(sink, Import::Users { source: SOURCE.to_owned(), users })?;
    let categories = (0..).zip(&script.categories).map(|(position, (name, description))| ImportCategory {
        foreign_id: (*name).to_owned(),
        name: (*name).to_owned(),
        description: (*description).to_owned(),
        position,
    });
    step(sink, Import::Categories { source: SOURCE.to_owned(), categories: categories.collect() })?;
    for (index, told) in (0..).zip(&script.topics) {
        let topic = topic(index, told).map_err(malformed)?;
        step(sink, Import::Topic { source: SOURCE.to_owned(), topic })?;
    }
    step(sink, Import::Namespaces { namespaces: namespaces() })?;
    for (index, told) in (0..).zip(&pages) {
        let page = page(index, told).map_err(malformed)?;
        step(sink, Import::Page { source: SOURCE.to_owned(), page })?;
    }
    let summary = format!("{} topics, {} pages", script.topics.len(), pages.len());
    step(sink, Import::Finish { source: SOURCE.to_owned(), summary })?;
    sink.finish()?;
    account::make(sink)
}

fn step(sink: &mut dyn Sink, step: Import) -> Result<(), ImportError> {
    sink.send(Command::Import(Box::new(step)))
}

fn malformed(error: TextError) -> ImportError {
    ImportError::Demo(error.to_string())
}

fn user(name: &str) -> Result<ImportUser, TextError> {
    Ok(ImportUser {
        foreign_id: name.to_owned(),
        name: UserName::new(name)?,
        display_name: String::new(),
        role: Role::Member,
        created_at: UnixMillis(BEGIN),
    })
}

fn namespaces() -> Vec<ImportNamespace> {
    let names = [("", 0), ("Talk", 1), ("User", 2), ("Help", 12), ("Category", 14)];
    names.map(|(name, number)| ImportNamespace { name: name.to_owned(), number, first_letter: true }).to_vec()
}

fn topic(index: i64, told: &script::Topic<'_>) -> Result<ImportTopic, TextError> {
    let names = Namespaces::default();
    let begin = BEGIN + index * STEP;
    let mut posts = Vec::new();
    // The latest post at each depth, which a deeper one answers.
    let mut path: Vec<u32> = vec![];
    for (number, post) in (1_u32..).zip(&told.posts) {
        path.truncate(post.depth);
        let reply_to = (post.depth > 1).then(|| path.last().copied()).flatten();
        path.push(number);
        let source = Source::new(&post.text)?;
        let rendered = render(Format::Markdown, source.as_str(), &RenderContext::post(&names));
        posts.push(ImportPost {
            foreign_id: format!("{index}-{number}"),
            number,
            reply_to,
            author: post.author.to_owned(),
            created_at: UnixMillis(begin + i64::from(number - 1) * 37 * MINUTE),
            edited_at: None,
            like_count: i64::from(number * 7 % 5),
            content: Content { format: Format::Markdown, source, rendered },
        });
    }
    Ok(ImportTopic {
        foreign_id: index.to_string(),
        category: told.category.to_owned(),
        title: TopicTitle::new(told.title)?,
        author: told.posts.first().map(|post| post.author.to_owned()).unwrap_or_default(),
        created_at: UnixMillis(begin),
        view_count: 20 + index * 17 % 90,
        pinned: index == 0,
        locked: false,
        posts,
    })
}

fn page(index: i64, told: &script::Page<'_>) -> Result<ImportPage, TextError> {
    let names = Namespaces::default();
    let (prefix, rest) = split_title(told.title);
    let (namespace, title) = match prefix.and_then(|prefix| names.find(prefix)) {
        Some(found) => (found.name.clone(), rest),
        None => (String::new(), told.title),
    };
    let title = PageTitle::new(title, true)?;
    let full = full_title(&namespace, title.as_str());
    let mut text = String::new();
    let mut revisions = Vec::new();
    for (number, revision) in (0_i64..).zip(&told.revisions) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&revision.text);
        revisions.push(ImportRevision {
            foreign_id: format!("{index}-{number}"),
            author: Some(revision.author.to_owned()),
            author_name: revision.author.to_owned(),
            created_at: UnixMillis(BEGIN + (index + number * 3) * STEP),
            comment: Comment::truncated(revision.comment),
            minor: false,
            format: Format::Markdown,
            source: Source::new(&text)?,
        });
    }
    let rendered = Some(render(Format::Markdown, &text, &RenderContext::page(&names, &full)));
    Ok(ImportPage { foreign_id: index.to_string(), namespace, title, revisions, rendered })
}
