//! The demonstration's texts as they are written: `= Category: description`, `# Title`, then posts that
//! begin with `@author` (a `>` before it for each level of answering) or, in the wiki, revisions that
//! begin with `@author: comment` and add their text to the page.

use crate::ImportError;

pub(super) struct Forum<'t> {
    pub(super) categories: Vec<(&'t str, &'t str)>,
    pub(super) topics: Vec<Topic<'t>>,
}

pub(super) struct Topic<'t> {
    pub(super) category: &'t str,
    pub(super) title: &'t str,
    pub(super) posts: Vec<Post<'t>>,
}

pub(super) struct Post<'t> {
    pub(super) depth: usize,
    pub(super) author: &'t str,
    pub(super) text: String,
}

pub(super) struct Page<'t> {
    pub(super) title: &'t str,
    pub(super) revisions: Vec<Revision<'t>>,
}

pub(super) struct Revision<'t> {
    pub(super) author: &'t str,
    pub(super) comment: &'t str,
    pub(super) text: String,
}

fn stray(line: &str) -> ImportError {
    ImportError::Demo(format!("out of place: {line}"))
}

pub(super) fn forum(text: &str) -> Result<Forum<'_>, ImportError> {
    let mut forum = Forum { categories: vec![], topics: vec![] };
    for line in text.lines() {
        let head = line.trim_start_matches('>');
        if let Some(category) = line.strip_prefix("= ") {
            forum.categories.push(category.split_once(": ").ok_or_else(|| stray(line))?);
        } else if let Some(title) = line.strip_prefix("# ") {
            let category = forum.categories.last().ok_or_else(|| stray(line))?.0;
            forum.topics.push(Topic { category, title, posts: vec![] });
        } else if let Some(author) = head.strip_prefix('@') {
            let topic = forum.topics.last_mut().ok_or_else(|| stray(line))?;
            topic.posts.push(Post { depth: line.len() - head.len(), author, text: String::new() });
        } else if let Some(post) = forum.topics.last_mut().and_then(|topic| topic.posts.last_mut()) {
            post.text.push_str(line);
            post.text.push('\n');
        } else if !line.is_empty() {
            return Err(stray(line));
        }
    }
    Ok(forum)
}

pub(super) fn wiki(text: &str) -> Result<Vec<Page<'_>>, ImportError> {
    let mut pages: Vec<Page<'_>> = vec![];
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            pages.push(Page { title, revisions: vec![] });
        } else if let Some(head) = line.strip_prefix('@') {
            let (author, comment) = head.split_once(": ").ok_or_else(|| stray(line))?;
            let page = pages.last_mut().ok_or_else(|| stray(line))?;
            page.revisions.push(Revision { author, comment, text: String::new() });
        } else if let Some(revision) = pages.last_mut().and_then(|page| page.revisions.last_mut()) {
            revision.text.push_str(line);
            revision.text.push('\n');
        } else if !line.is_empty() {
            return Err(stray(line));
        }
    }
    Ok(pages)
}
