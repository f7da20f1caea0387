//! From Discourse's topic to ours, noting every loss.

use std::collections::HashSet;

use veritable_domain::content::{Content, Format};
use veritable_domain::markup::{Namespaces, RenderContext, as_source, try_render};
use veritable_domain::permission::Role;
use veritable_domain::text::{
    MAX_SOURCE_BYTES, MAX_TITLE_CHARS, MAX_USER_NAME_CHARS, Source, TopicTitle, UserName,
};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{ImportPost, ImportTopic, ImportUser};

use super::topic::{Post, Topic};
use crate::Report;
use crate::pipeline::MAX_COMMAND_BYTES;

/// Foreign id of the category of topics that have none.
pub(super) const NO_CATEGORY: &str = "0";
/// Foreign id of the author of posts whose account is gone.
const NOBODY: &str = "deleted";

pub(super) struct Converter {
    pub(super) report: Report,
    namespaces: Namespaces,
    old_base: Option<String>,
}

type Converted = (Vec<ImportUser>, Vec<ImportTopic>);

impl Converter {
    pub(super) fn new(source: &str, old_base: Option<String>) -> Self {
        Converter { report: Report::new(source), namespaces: Namespaces::default(), old_base }
    }

    /// Private messages and what was deleted stay behind.
    pub(super) fn skips(&mut self, topic: &Topic) -> bool {
        let reason = if topic.archetype.as_deref() == Some("private_message") {
            "private message skipped"
        } else if topic.deleted_at.is_some() {
            "deleted topic skipped"
        } else {
            return false;
        };
        self.report.loss(reason, format!("topic {}: {}", topic.id, topic.title));
        true
    }

    /// The users not in `known` yet, and the topic in pieces of bounded size.
    pub(super) fn topic(
        &mut self,
        mut topic: Topic,
        known: &mut HashSet<String>,
    ) -> Result<Converted, String> {
        let mut posts = std::mem::take(&mut topic.posts);
        posts.extend(topic.post_stream.take().into_iter().flat_map(|stream| stream.posts));
        posts.retain(|post| {
            let kept = post.deleted_at.is_none();
            if !kept {
                self.report
                    .loss("deleted post skipped", format!("topic {} post {}", topic.id, post.post_number));
            }
            kept
        });
        posts.sort_by_key(|post| post.post_number);
        let Some(first) = posts.first() else {
            self.report.loss("topic without posts skipped", format!("topic {}: {}", topic.id, topic.title));
            return Ok((vec![], vec![]));
        };
        let opener = author_id(first.user_id);
        let mut users = Vec::new();
        for post in &posts {
            if known.insert(author_id(post.user_id)) {
                users.push(self.user(post)?);
            }
        }
        let author = topic.user_id.map(|id| id.to_string()).filter(|id| known.contains(id)).unwrap_or(opener);
        let whole = ImportTopic {
            foreign_id: topic.id.to_string(),
            category: category_id(&topic),
            title: self.title(&topic),
            author,
            created_at: time(&topic.created_at)?,
            view_count: topic.views.max(0),
            pinned: topic.pinned || topic.pinned_globally,
            locked: topic.closed || topic.archived,
            posts: vec![],
        };
        let head = whole.clone();
        let mut pieces = vec![whole];
        let mut bytes = 0;
        for post in posts {
            let post = self.post(topic.id, post)?;
            let size = size(&post);
            if bytes > 0 && bytes + size > MAX_COMMAND_BYTES {
                let next = ImportTopic { posts: vec![], ..head.clone() };
                pieces.push(next);
                bytes = 0;
            }
            bytes += size;
            if let Some(piece) = pieces.last_mut() {
                piece.posts.push(post);
            }
        }
        self.report.read.topics += 1;
        Ok((users, pieces))
    }

    fn title(&mut self, topic: &Topic) -> TopicTitle {
        let fallback = || format!("Topic {}", topic.id);
        TopicTitle::new(&topic.title)
            .or_else(|error| {
                self.report.loss("title changed", format!("topic {}: {error}", topic.id));
                let cut: String = topic.title.trim().chars().take(MAX_TITLE_CHARS).collect();
                TopicTitle::new(&cut)
            })
            .or_else(|_| TopicTitle::new(&fallback()))
            .unwrap_or_else(|_| unreachable!("a word and a number are a title"))
    }

    fn user(&mut self, post: &Post) -> Result<ImportUser, String> {
        let foreign_id = author_id(post.user_id);
        let written = post.username.clone().unwrap_or_else(|| foreign_id.clone());
        let name = UserName::new(&written).or_else(|error| {
            self.report.loss("user name changed", format!("{written}: {error}"));
            let usable = |c: char| if c.is_alphanumeric() || "_-. ".contains(c) { c } else { '-' };
            let cut: String = written.chars().map(usable).take(MAX_USER_NAME_CHARS).collect();
            UserName::new(&cut).or_else(|_| UserName::new(&format!("user {foreign_id}")))
        });
        if post.staff {
            self.report.note("staff of the old forum became a member", written);
        }
        Ok(ImportUser {
            foreign_id,
            name: name.map_err(|error| error.to_string())?,
            display_name: post.name.clone().unwrap_or_default(),
            role: Role::Member,
            created_at: time(&post.created_at)?,
        })
    }

    fn post(&mut self, topic: i64, post: Post) -> Result<ImportPost, String> {
        let place = || format!("topic {topic} post {}", post.post_number);
        let content = self.content(&post, place)?;
        self.report.read.posts += 1;
        let edited_at = match &post.updated_at {
            Some(updated) if post.version > 1 => Some(time(updated)?),
            _ => None,
        };
        Ok(ImportPost {
            foreign_id: post.id.to_string(),
            number: post.post_number,
            reply_to: post.reply_to_post_number,
            author: author_id(post.user_id),
            created_at: time(&post.created_at)?,
            edited_at,
            like_count: post.likes(),
            content,
        })
    }

    /// Shown is what Discourse made of a post (`cooked`). Its Markdown (`raw`), where there is some, is the
    /// source that is kept and edited later; shown itself only where nothing cooked is.
    fn content(&mut self, post: &Post, place: impl Fn() -> String + Copy) -> Result<Content, String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let (cooked, raw) = (given(&post.cooked), given(&post.raw));
        if cooked.is_none() && raw.is_none() {
            let reason =
                if post.post_type == 1 { "post without text" } else { "moderator's action without text" };
            self.report.note(reason, place());
        }
        let (format, written) = match &raw {
            Some(raw) => (Format::Markdown, raw.as_str()),
            None => (Format::Html, cooked.as_deref().unwrap_or_default()),
        };
        let source = source(&mut self.report, written, place)?;
        let old_base = self.old_base.as_deref();
        let context = RenderContext { old_base, ..RenderContext::post(&self.namespaces) };
        let rendered = match &cooked {
            Some(cooked) => try_render(Format::Html, cooked, &context),
            None => try_render(format, source.as_str(), &context),
        };
        let rendered = rendered.unwrap_or_else(|error| {
            self.report.loss(&error.to_string(), place());
            as_source(source.as_str())
        });
        Ok(Content { format, source, rendered })
    }
}

/// A [`Source`] of any text: NULs dropped, cut at the limit, both noted.
pub(crate) fn source(report: &mut Report, text: &str, place: impl Fn() -> String) -> Result<Source, String> {
    if text.len() <= MAX_SOURCE_BYTES && !text.contains('\0') {
        return Source::allowing_blank(text).map_err(|error| error.to_string());
    }
    report.loss("text cut or cleaned of NULs", place());
    let clean = text.replace('\0', "");
    let cut = &clean[..clean.floor_char_boundary(MAX_SOURCE_BYTES)];
    Source::allowing_blank(cut).map_err(|error| error.to_string())
}

pub(super) fn category_id(topic: &Topic) -> String {
    topic.category_id.map_or_else(|| NO_CATEGORY.to_owned(), |id| id.to_string())
}

fn author_id(user: Option<i64>) -> String {
    user.map_or_else(|| NOBODY.to_owned(), |id| id.to_string())
}

fn size(post: &ImportPost) -> usize {
    let content = &post.content;
    content.source.as_str().len() + content.rendered.html.len() + content.rendered.text.len()
}

fn time(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse(text).ok_or_else(|| format!("`{text}` is not a time"))
}
