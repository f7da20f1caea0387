//! What a renderer must be told about the community: which names are namespaces, where old addresses
//! point, what a page may fetch. Renderers ask nobody else, so a rendering can be repeated anywhere.

use crate::content::WikiLink;
use crate::text::fold_line;
use crate::wiki::{MAX_TITLE_BYTES, upper_first};

/// What the source is the body of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    /// A forum post: categories and redirects mean nothing in it.
    #[default]
    Post,
    /// A wiki page.
    Page,
}

/// Which half of `[[a|b]]` is the page in Markdown. Wikitext always has the title first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LinkOrder {
    /// `[[Title|label]]`, as in MediaWiki: the order of this server.
    #[default]
    TitleFirst,
    /// `[[label|Title]]`, as in Gollum and GitHub wikis.
    LabelFirst,
}

/// What a namespace is for, where a renderer must treat its links apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Role {
    /// Links are plain links.
    #[default]
    Ordinary,
    /// A link puts the page into the category, a link with a leading colon shows it.
    Category,
    /// A link embeds the file; no file exists here, so a labelled figure stands in.
    File,
    /// `{{name}}` means a page of it.
    Template,
    /// User pages.
    User,
}

/// One namespace: its name, other names for it, and how its titles are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The name shown and stored, such as `Kategoreja`.
    pub name: String,
    /// Other names that mean it, such as the canonical `Category`; compared without case.
    pub aliases: Vec<String>,
    /// Titles begin with an upper-case letter whatever was typed.
    pub first_letter: bool,
    /// What it is for.
    pub role: Role,
}

impl Namespace {
    /// A namespace known by `name` and, when that is another word, by `canonical`.
    pub fn new(name: &str, canonical: &str, first_letter: bool, role: Role) -> Self {
        let aliases =
            if canonical.is_empty() || canonical == name { vec![] } else { vec![canonical.to_owned()] };
        Namespace { name: name.to_owned(), aliases, first_letter, role }
    }

    fn is_called(&self, name: &str) -> bool {
        same_name(&self.name, name) || self.aliases.iter().any(|alias| same_name(alias, name))
    }
}

/// Namespace names are equal without regard to case, `_` being a space.
fn same_name(known: &str, written: &str) -> bool {
    let fold = |name: &str| fold_line(&name.replace('_', " ")).to_lowercase();
    known == written || fold(known) == fold(written)
}

/// The namespaces of a wiki. The main one, whose name is empty, is always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespaces {
    named: Vec<Namespace>,
    main_first_letter: bool,
}

impl Default for Namespaces {
    /// The English names of MediaWiki's own namespaces.
    fn default() -> Self {
        let role = |name: &str| match name {
            "Category" => Role::Category,
            "File" => Role::File,
            "Template" => Role::Template,
            "User" => Role::User,
            _ => Role::Ordinary,
        };
        let names =
            ["Talk", "User", "User talk", "Project", "File", "Template", "Help", "Category", "Special"];
        let mut named: Vec<_> = names.iter().map(|name| Namespace::new(name, "", true, role(name))).collect();
        if let Some(file) = named.iter_mut().find(|namespace| namespace.role == Role::File) {
            file.aliases.push("Image".to_owned());
        }
        Namespaces::new(named, true)
    }
}

impl Namespaces {
    /// Takes the named namespaces and whether titles of the main one begin with an upper-case letter.
    pub fn new(named: Vec<Namespace>, main_first_letter: bool) -> Self {
        Namespaces { named, main_first_letter }
    }

    /// The namespace called `name`, by its own or another of its names.
    pub fn find(&self, name: &str) -> Option<&Namespace> {
        if name.is_empty() { None } else { self.named.iter().find(|namespace| namespace.is_called(name)) }
    }

    /// The first namespace with `role`.
    pub fn with_role(&self, role: Role) -> Option<&Namespace> {
        self.named.iter().find(|namespace| namespace.role == role)
    }

    /// Reads `Namespace:Title` as written in a link, without section: `None` when it cannot be a title.
    pub fn resolve(&self, text: &str) -> Option<(WikiLink, Role)> {
        let text = text.trim_start_matches(':');
        let (prefix, rest) = crate::wiki::split_title(text);
        let namespace = prefix.and_then(|prefix| self.find(prefix));
        let (name, written, first_letter, role) = match namespace {
            Some(found) => (found.name.as_str(), rest, found.first_letter, found.role),
            None => ("", text, self.main_first_letter, Role::Ordinary),
        };
        let title = normal_title(written, first_letter)?;
        Some((WikiLink { namespace: name.to_owned(), title }, role))
    }

    /// The page `name` in the namespace for `role`, unless `name` says another.
    pub fn resolve_in(&self, role: Role, name: &str) -> Option<(WikiLink, Role)> {
        let (prefix, _) = crate::wiki::split_title(name);
        let says_another = name.starts_with(':') || prefix.is_some_and(|prefix| self.find(prefix).is_some());
        match self.with_role(role) {
            Some(namespace) if !says_another => {
                let title = normal_title(name, namespace.first_letter)?;
                Some((WikiLink { namespace: namespace.name.clone(), title }, role))
            }
            _ => self.resolve(name),
        }
    }
}

/// As [`crate::wiki::PageTitle`] has it, which is not used here because links to what cannot be a page
/// are plain text, not an error.
fn normal_title(written: &str, first_letter: bool) -> Option<String> {
    if written.len() > MAX_TITLE_BYTES * 4 {
        return None;
    }
    let title = fold_line(&written.replace('_', " "));
    let usable = !title.is_empty() && title.len() <= MAX_TITLE_BYTES;
    if !usable || title.contains(['[', ']', '{', '}', '|', '#', '<', '>']) {
        return None;
    }
    Some(if first_letter { upper_first(&title) } else { title })
}

/// Everything a rendering depends on besides its source.
#[derive(Clone, Copy, Debug)]
pub struct RenderContext<'a> {
    /// Post or wiki page.
    pub kind: Kind,
    /// The wiki's namespaces.
    pub namespaces: &'a Namespaces,
    /// The page's own full title, for links such as `[[/Subpage]]`; empty for posts.
    pub page: &'a str,
    /// Address of the forum the source came from, without a final slash, such as
    /// `https://forum.example`: absolute links to it become relative, relative images absolute.
    pub old_base: Option<&'a str>,
    /// Keep images of other hosts. Readers' browsers then fetch them, which tells those hosts who
    /// reads; when off, a link to the image stands in its place.
    pub remote_images: bool,
    /// Order of the halves of Markdown's wiki links.
    pub link_order: LinkOrder,
}

impl<'a> RenderContext<'a> {
    /// For a forum post written here.
    pub fn post(namespaces: &'a Namespaces) -> Self {
        RenderContext {
            kind: Kind::Post,
            namespaces,
            page: "",
            old_base: None,
            remote_images: true,
            link_order: LinkOrder::TitleFirst,
        }
    }

    /// For the wiki page with the full title `page`.
    pub fn page(namespaces: &'a Namespaces, page: &'a str) -> Self {
        RenderContext { kind: Kind::Page, page, ..RenderContext::post(namespaces) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_by_the_wikis_own_names() {
        let own = vec![Namespace::new("Kategoreja", "Category", true, Role::Category)];
        let namespaces = Namespaces::new(own, true);
        let (link, role) = namespaces.resolve("category: upis_un azari").unwrap();
        assert_eq!((link.namespace.as_str(), link.title.as_str()), ("Kategoreja", "Upis un azari"));
        assert_eq!(role, Role::Category);
        let (link, role) = namespaces.resolve("note core::str").unwrap();
        assert_eq!((link.namespace.as_str(), link.title.as_str()), ("", "Note core::str"));
        assert_eq!(role, Role::Ordinary);
        assert_eq!(namespaces.resolve("a[b"), None);
        assert_eq!(namespaces.resolve("Category:"), None);
    }

    #[test]
    fn templates_are_in_their_own_namespace_unless_said_otherwise() {
        let namespaces = Namespaces::default();
        let title =
            |name| namespaces.resolve_in(Role::Template, name).map(|(link, _)| (link.namespace, link.title));
        assert_eq!(title("infobox"), Some(("Template".into(), "Infobox".into())));
        assert_eq!(title(":Main page"), Some((String::new(), "Main page".into())));
        assert_eq!(title("user:x"), Some(("User".into(), "X".into())));
    }
}
