//! MediaWiki: XML exports 0.10 and 0.11, plain, gzip or bzip2, with whole histories. Only a page's newest
//! revision is rendered; older ones keep their source.

mod page;
mod site;
mod xml;

use std::collections::HashSet;
use std::path::PathBuf;

use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Import, ImportUser};

use crate::pipeline::{self, Feed, Stop};
use crate::{ImportError, Progress, Report, Sink, input};
use page::{Draft, Revision};
use site::Site;
use xml::{Item, Xml};

/// Users remembered as sent; past it they are sent again, which does nothing but cost time.
const MAX_KNOWN_USERS: usize = 1_000_000;
/// Most namespaces: MediaWiki's own are 18, large wikis have 50.
const MAX_NAMESPACES: usize = 1_000;

/// What to import.
#[derive(Clone, Debug, Default)]
pub struct MediawikiOptions {
    /// The export: `.xml`, `.xml.gz` or `.xml.bz2`.
    pub path: PathBuf,
}

/// Imports a wiki.
///
/// # Errors
/// [`ImportError`] with the byte and element of the fault; what came before it is stored.
pub fn run(
    options: &MediawikiOptions,
    sink: &mut dyn Sink,
    progress: &mut dyn Progress,
) -> Result<Report, ImportError> {
    let (text, meter) = input::open(&options.path)?;
    let xml = Xml::new(text, options.path.clone());
    let name = options.path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default().to_owned();
    pipeline::run(&meter, sink, progress, move |feed| Run::new(feed, xml, &stem).read())
}

struct Run<'f> {
    feed: &'f Feed,
    xml: Xml,
    site: Site,
    in_site: Option<(i64, bool)>,
    site_sent: bool,
    draft: Option<Draft>,
    revision: Revision,
    report: Report,
    users: HashSet<String>,
}

impl<'f> Run<'f> {
    fn new(feed: &'f Feed, xml: Xml, stem: &str) -> Self {
        Run {
            feed,
            xml,
            site: Site { first_letter: true, ..Site::default() },
            in_site: None,
            site_sent: false,
            draft: None,
            revision: Revision::default(),
            report: Report::new(&format!("mediawiki:{stem}")),
            users: HashSet::new(),
        }
    }

    fn read(mut self) -> Result<Report, Stop> {
        loop {
            match self.xml.next()? {
                Item::Start(attributes) => self.start(&attributes)?,
                Item::End(text) => self.end(text)?,
                Item::Eof => return Ok(self.report),
            }
        }
    }

    fn start(&mut self, attributes: &[(String, String)]) -> Result<(), Stop> {
        let value =
            |key: &str| attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        match self.xml.at.as_str() {
            "mediawiki/siteinfo/namespaces/namespace" => {
                let number = value("key").and_then(|key| key.parse().ok());
                let number = number.ok_or_else(|| self.xml.error("a namespace without a number"))?;
                let first_letter =
                    value("case").map_or(self.site.first_letter, |case| case == "first-letter");
                self.in_site = Some((number, first_letter));
            }
            "mediawiki/page" => {
                // Fragments of exports come without <siteinfo>; pages need their namespace all the same.
                if !self.site_sent {
                    self.site_done()?;
                }
                self.draft = Some(Draft::default());
            }
            "mediawiki/page/redirect" => {
                if let Some(draft) = &mut self.draft {
                    draft.redirect = value("title").map(str::to_owned);
                }
            }
            "mediawiki/page/revision" => self.revision = Revision::default(),
            "mediawiki/page/revision/minor" => self.revision.minor = true,
            "mediawiki/page/revision/text" => self.revision.deleted |= value("deleted").is_some(),
            "mediawiki/page/revision/contributor" | "mediawiki/page/revision/comment"
                if value("deleted").is_some() =>
            {
                self.report
                    .note("author or comment was deleted there", format!("revision {}", self.revision.id));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, text: String) -> Result<(), Stop> {
        let Some(element) = self.xml.at.strip_prefix("mediawiki/") else { return Ok(()) };
        match element {
            "siteinfo/dbname" => self.site.dbname = text,
            "siteinfo/generator" => self.site.generator = text,
            "siteinfo/case" => self.site.first_letter = text != "case-sensitive",
            "siteinfo/namespaces/namespace" => {
                if self.site.spaces.len() >= MAX_NAMESPACES {
                    return Err(self.xml.error("too many namespaces").into());
                }
                if let Some((number, first_letter)) = self.in_site.take() {
                    self.site.spaces.insert(number, (text, first_letter));
                }
            }
            "siteinfo" => return self.site_done(),
            "page/revision" => return self.revision_done(),
            "page" => return self.page_done(),
            _ => match element.strip_prefix("page/revision/") {
                Some(field) => self.revision.field(field, text),
                None => {
                    if let Some((draft, field)) = self.draft.as_mut().zip(element.strip_prefix("page/")) {
                        draft.field(field, text);
                    }
                }
            },
        }
        Ok(())
    }

    fn site_done(&mut self) -> Result<(), Stop> {
        self.site_sent = true;
        let first_letter = self.site.first_letter;
        self.site.spaces.entry(0).or_insert_with(|| (String::new(), first_letter));
        if !self.site.dbname.is_empty() {
            self.report.source = format!("mediawiki:{}", self.site.dbname);
        }
        let namespaces = self.site.commands();
        self.report.read.namespaces = namespaces.len() as u64;
        self.feed.import(Import::Namespaces { namespaces })
    }

    fn revision_done(&mut self) -> Result<(), Stop> {
        let revision = std::mem::take(&mut self.revision);
        let Some(mut draft) = self.draft.take() else { return Ok(()) };
        let user = revision.user();
        let created_at = UnixMillis::parse(&revision.timestamp)
            .ok_or_else(|| self.xml.error(format!("`{}` is not a time", revision.timestamp)))?;
        if revision.id.is_empty() {
            return Err(self.xml.error("a revision without <id>").into());
        }
        if let Some(id) = user.filter(|id| !self.users.contains(id)) {
            self.send_user(id, &revision.username, created_at)?;
        }
        let place = format!("{} revision {}", draft.title, revision.id);
        let done = revision.convert(created_at, &mut self.report, &place);
        let full = draft.push(done.map_err(|reason| self.xml.error(reason))?);
        if let Some(run) = full {
            let page =
                draft.page(&self.site, run, &mut self.report).map_err(|reason| self.xml.error(reason))?;
            self.feed.import(Import::Page { source: self.report.source.clone(), page })?;
        }
        self.draft = Some(draft);
        Ok(())
    }

    fn send_user(&mut self, foreign_id: String, written: &str, created_at: UnixMillis) -> Result<(), Stop> {
        let name = page::user_name(written, &mut self.report).map_err(|reason| self.xml.error(reason))?;
        if self.users.len() >= MAX_KNOWN_USERS {
            self.users.clear();
        }
        self.users.insert(foreign_id.clone());
        self.report.read.users += 1;
        let display_name = String::new();
        let role = veritable_domain::permission::Role::Member;
        let users = vec![ImportUser { foreign_id, name, display_name, role, created_at }];
        self.feed.import(Import::Users { source: self.report.source.clone(), users })
    }

    fn page_done(&mut self) -> Result<(), Stop> {
        let Some(mut draft) = self.draft.take() else { return Ok(()) };
        let run = draft.rest();
        if run.is_empty() {
            self.report.loss("page without revisions skipped", draft.title);
            return Ok(());
        }
        let page =
            draft.newest(&self.site, run, &mut self.report).map_err(|reason| self.xml.error(reason))?;
        self.feed.import(Import::Page { source: self.report.source.clone(), page })
    }
}
