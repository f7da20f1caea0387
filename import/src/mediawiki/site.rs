//! The wiki's namespaces: named in its own language, known also by MediaWiki's English names.

use std::collections::BTreeMap;

use veritable_domain::markup::{Namespace, Namespaces, Role};
use veritable_writer_api::message::ImportNamespace;

/// English name and role of MediaWiki's own namespaces, by number.
fn canonical(number: i64) -> (&'static str, Role) {
    match number {
        -2 => ("Media", Role::Ordinary),
        -1 => ("Special", Role::Ordinary),
        1 => ("Talk", Role::Ordinary),
        2 => ("User", Role::User),
        3 => ("User talk", Role::Ordinary),
        4 => ("Project", Role::Ordinary),
        5 => ("Project talk", Role::Ordinary),
        6 => ("File", Role::File),
        7 => ("File talk", Role::Ordinary),
        8 => ("MediaWiki", Role::Ordinary),
        9 => ("MediaWiki talk", Role::Ordinary),
        10 => ("Template", Role::Template),
        11 => ("Template talk", Role::Ordinary),
        12 => ("Help", Role::Ordinary),
        13 => ("Help talk", Role::Ordinary),
        14 => ("Category", Role::Category),
        15 => ("Category talk", Role::Ordinary),
        828 => ("Module", Role::Ordinary),
        829 => ("Module talk", Role::Ordinary),
        _ => ("", Role::Ordinary),
    }
}

/// What `<siteinfo>` says.
#[derive(Default)]
pub(super) struct Site {
    pub(super) dbname: String,
    pub(super) generator: String,
    /// Number, then name and whether titles begin with an upper-case letter.
    pub(super) spaces: BTreeMap<i64, (String, bool)>,
    pub(super) first_letter: bool,
}

impl Site {
    pub(super) fn namespaces(&self) -> Namespaces {
        let named = self.spaces.iter().filter(|(_, (name, _))| !name.is_empty());
        let named = named.map(|(number, (name, first_letter))| {
            let (english, role) = canonical(*number);
            let mut namespace = Namespace::new(name, english, *first_letter, role);
            if role == Role::File {
                namespace.aliases.push("Image".to_owned());
            }
            namespace
        });
        Namespaces::new(named.collect(), self.main_first_letter())
    }

    fn main_first_letter(&self) -> bool {
        self.spaces.get(&0).map_or(self.first_letter, |(_, first_letter)| *first_letter)
    }

    pub(super) fn commands(&self) -> Vec<ImportNamespace> {
        let make = |(number, (name, first_letter)): (&i64, &(String, bool))| ImportNamespace {
            name: name.clone(),
            number: *number,
            first_letter: *first_letter,
        };
        self.spaces.iter().filter(|(number, _)| **number >= 0).map(make).collect()
    }

    /// Namespace name, title in it and first-letter rule of the page `full` said to be in `number`.
    pub(super) fn place<'t>(&self, number: i64, full: &'t str) -> Option<(String, &'t str, bool)> {
        if number == 0 {
            return Some((String::new(), full, self.main_first_letter()));
        }
        let (name, first_letter) = self.spaces.get(&number)?;
        let title = full.split_once(':').map_or(full, |(_, title)| title);
        Some((name.clone(), title, *first_letter))
    }
}
