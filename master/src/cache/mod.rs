//! `veritable cache`: the running server's cache, looked into and changed by this process itself. The master only
//! lends the segment ([`Lent`]).

mod keys;
mod stats;

use std::io::Write;

use anyhow::{Context, bail};
use veritable_config::Config;
use veritable_domain::tag::{FORMS, Tag, UnknownTag};
use veritable_shm::{Cache, KeyInfo, Lookup, TagRef, Tags, now_ms};
use veritable_worker::{Encoding, Kept, Stored};

use crate::cli::CacheCommand;
use crate::client::Lent;
use crate::out;
use keys::Listed;
pub(crate) use stats::human_bytes;

/// What people name a wiki page's tag by, beside its id.
const WIKI: &str = "wiki:";

/// A tag as the command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedTag {
    /// By its own name.
    Tag(Tag),
    /// Of the wiki page of this title.
    Wiki(String),
}

/// What may be written for one.
pub(crate) fn tag_help() -> String {
    format!("{FORMS}, or {WIKI}TITLE for the page of that title")
}

/// A tag of the command line.
pub(crate) fn named_tag(text: &str) -> Result<NamedTag, UnknownTag> {
    match text.strip_prefix(WIKI) {
        Some(title) if !title.trim().is_empty() => Ok(NamedTag::Wiki(title.to_owned())),
        _ => text.parse().map(NamedTag::Tag),
    }
}

/// An encoding of the command line.
pub(crate) fn encoding(text: &str) -> Result<Encoding, String> {
    let named = Encoding::ALL.into_iter().find(|&encoding| name(encoding) == text);
    named.ok_or_else(|| format!("one of {}", Encoding::ALL.map(name).join(", ")))
}

/// The encoding's name, identity's too.
fn name(encoding: Encoding) -> &'static str {
    encoding.name().unwrap_or("identity")
}

/// Carries out a command.
///
/// # Errors
/// No server runs, it does not lend its cache, or what was asked for is not there.
pub(crate) fn run(config: &Config, asked: &CacheCommand) -> anyhow::Result<()> {
    match asked {
        CacheCommand::Stats { shards, json, .. } => {
            let cache = Lent::borrow(config, false)?.cache()?;
            let shards = shards.then(|| cache.shard_stats());
            let stats = stats::json(&cache.stats(), shards.as_deref());
            out::line(&if *json { stats.to_string() } else { stats::table(&stats) });
        }
        CacheCommand::Keys { prefix, limit, json, .. } => {
            let cache = Lent::borrow(config, false)?.cache()?;
            let mut kept = listed(&cache);
            let prefix = prefix.as_deref().unwrap_or_default();
            kept.retain(|listed| listed.address.starts_with(prefix));
            kept.sort_by(Listed::by_address);
            let all = kept.len();
            kept.truncate(*limit);
            out::line(&if *json { keys::json(&kept, all).to_string() } else { keys::table(&kept, all) });
        }
        CacheCommand::Get { address, encoding, head, .. } => {
            let cache = Lent::borrow(config, false)?.cache()?;
            let (listed, kept) = get(&cache, address, *encoding)?;
            let details = details(&listed, &kept);
            if *head {
                out::line(&details);
            } else {
                writeln!(std::io::stderr(), "{details}").context("writing what is known of it")?;
                out::bytes(&kept.body).context("writing the body")?;
            }
        }
        CacheCommand::Clear { .. } => clear(&Lent::borrow(config, true)?)?,
        CacheCommand::Invalidate { tags, .. } => invalidate(config, tags)?,
    }
    Ok(())
}

fn listed(cache: &Cache) -> Vec<Listed> {
    let all: Vec<KeyInfo> = cache.keys(b"", usize::MAX, now_ms());
    all.into_iter().map(Listed::of).collect()
}

/// What a hit would be sent now: for askers who accept `encoding`, or else in the first there is.
fn get(cache: &Cache, address: &str, encoding: Option<Encoding>) -> anyhow::Result<(Listed, Kept)> {
    let mut found = listed(cache);
    found.retain(|listed| {
        listed.address == address
            && listed.accepted.is_some_and(|one| encoding.is_none_or(|wanted| one == wanted))
    });
    let whose = encoding.map_or(String::new(), |encoding| format!(" in {}", name(encoding)));
    if found.is_empty() {
        bail!("nothing is kept for {address}{whose}");
    }
    found.sort_by(Listed::by_use);
    for listed in found {
        let mut value = Vec::new();
        // Not counted: nobody of the site's has asked.
        if let Lookup::Hit(info) | Lookup::Expired(info) = cache.peek(&listed.info.key, now_ms(), &mut value)
        {
            match Stored::decode(value, info.digest) {
                Some(Stored::Answer(kept)) => return Ok((listed, kept)),
                Some(Stored::Nothing(what)) => {
                    bail!("what is kept for {address}{whose} is that there is no such {what}")
                }
                None => {}
            }
        }
    }
    bail!("what is kept for {address}{whose} is outdated")
}

/// As headers would have it.
fn details(listed: &Listed, kept: &Kept) -> String {
    let mut lines = vec![
        format!("status: {}", kept.status.as_u16()),
        format!("content-type: {}", kept.content_type.header()),
        format!("content-encoding: {}", name(kept.encoding)),
        format!("content-length: {}", kept.body.len()),
        format!("etag: \"{:016x}\"", kept.etag),
    ];
    lines.extend(
        kept.location.as_ref().map(|location| format!("location: {}", keys::shown(location.as_bytes()))),
    );
    lines.push(format!("age: {}", keys::seconds(listed.info.age_ms)));
    lines.push(format!("ttl: {}", keys::seconds(listed.info.lifetime.ttl_ms.into())));
    lines.join("\n")
}

fn clear(lent: &Lent) -> anyhow::Result<()> {
    let cache = lent.cache()?;
    let before = cache.stats();
    let busy = cache.clear();
    let used = stats::human_bytes(before.used_bytes);
    out::line(&format!("Ended {} ({used}).", entries(before.entries)));
    if busy > 0 {
        out::line(&format!(
            "{busy} of {} shards were busy; theirs make room as it is needed.",
            before.shards
        ));
    }
    Ok(())
}

fn invalidate(config: &Config, tags: &[NamedTag]) -> anyhow::Result<()> {
    let lent = Lent::borrow(config, false)?;
    let tags = tags.iter().map(|tag| resolve(config, tag)).collect::<anyhow::Result<Vec<Tag>>>()?;
    let refs: Vec<TagRef> = tags.iter().map(|tag| TagRef::new(tag.to_string().as_bytes())).collect();
    let ended = lent.cache()?.depending(&refs, now_ms());
    Tags::of(&lent.segment).invalidate(&refs);
    out::line(&format!("Ended {}.", entries(ended)));
    Ok(())
}

fn resolve(config: &Config, tag: &NamedTag) -> anyhow::Result<Tag> {
    match tag {
        NamedTag::Tag(tag) => Ok(tag.clone()),
        NamedTag::Wiki(title) => {
            let page = veritable_worker::page_called(&config.forums_db(), title)
                .with_context(|| format!("looking up the wiki page {title:?}"))?;
            Ok(Tag::Page(page.with_context(|| format!("no wiki page is called {title:?}"))?))
        }
    }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".into() } else { format!("{count} entries") }
}

#[cfg(test)]
mod tests {
    use veritable_domain::ids::TopicId;

    use super::*;

    #[test]
    fn tags_and_encodings_are_read_by_their_names() {
        assert_eq!(named_tag("topic:42"), Ok(NamedTag::Tag(Tag::Topic(TopicId(42)))));
        assert_eq!(named_tag("wiki:Main_Page"), Ok(NamedTag::Wiki("Main_Page".into())));
        assert!(named_tag("wiki: ").is_err() && named_tag("topic").is_err());
        for one in Encoding::ALL {
            assert_eq!(encoding(name(one)), Ok(one));
        }
        assert!(encoding("deflate").unwrap_err().contains("identity, gzip, br, zstd"));
    }
}
