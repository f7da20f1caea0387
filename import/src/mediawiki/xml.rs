//! XML as pairs of an element's path and its text, within bounds: no document types (and so no entities
//! but the five of XML), no endless element, no bottomless nesting.

use std::path::PathBuf;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate::ImportError;
use crate::input::{Budget, Text};

/// Most bytes of a tag or a run of text. Larger pages are refused by MediaWiki itself (2 MiB).
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of an element's text.
const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;
/// Deeper than any dump: `mediawiki/page/revision/contributor/username` is 5.
const MAX_DEPTH: usize = 32;

/// One thing read.
pub(super) enum Item {
    /// An element begins: its attributes.
    Start(Vec<(String, String)>),
    /// An element ends: the text directly in it.
    End(String),
    /// The document is over.
    Eof,
}

pub(super) struct Xml {
    reader: Reader<Budget<Text>>,
    path: PathBuf,
    buffer: Vec<u8>,
    stack: Vec<String>,
    /// Joined names of the open elements; at [`Item::End`] of those before it.
    pub(super) at: String,
    text: String,
    ending: bool,
    seen: bool,
}

impl Xml {
    pub(super) fn new(text: Text, path: PathBuf) -> Self {
        let mut reader = Reader::from_reader(Budget::new(text, 0));
        reader.config_mut().expand_empty_elements = true;
        Xml {
            reader,
            path,
            buffer: vec![],
            stack: vec![],
            at: String::new(),
            text: String::new(),
            ending: false,
            seen: false,
        }
    }

    /// An error at the present place.
    pub(super) fn error(&self, reason: impl ToString) -> ImportError {
        let element = self.stack.join("/");
        let offset = self.reader.buffer_position();
        ImportError::Xml { path: self.path.clone(), offset, element, reason: reason.to_string() }
    }

    pub(super) fn next(&mut self) -> Result<Item, ImportError> {
        if std::mem::take(&mut self.ending) {
            self.stack.pop();
        }
        loop {
            self.reader.get_mut().left = MAX_EVENT_BYTES;
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let step = match self.reader.read_event_into(&mut buffer) {
                Ok(event) => take(event, &mut self.text),
                Err(error) => Err(error.to_string()),
            };
            self.buffer = buffer;
            match step.map_err(|reason| self.error(reason))? {
                Step::On if self.text.len() > MAX_TEXT_BYTES => {
                    return Err(self.error("the text is too long"));
                }
                Step::On => {}
                Step::Start(name, attributes) => return self.start(name, attributes),
                Step::End => {
                    self.at = self.stack.join("/");
                    self.ending = true;
                    return Ok(Item::End(std::mem::take(&mut self.text)));
                }
                Step::Eof if !self.seen => return Err(self.error("no XML in this file")),
                Step::Eof if self.stack.is_empty() => return Ok(Item::Eof),
                Step::Eof => return Err(self.error("the file ends here, in the middle")),
            }
        }
    }

    fn start(&mut self, name: String, attributes: Vec<(String, String)>) -> Result<Item, ImportError> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.error("nested too deep"));
        }
        if self.stack.is_empty() && (self.seen || name != "mediawiki") {
            return Err(self.error(format!("<{name}> is not a MediaWiki export")));
        }
        self.seen = true;
        self.stack.push(name);
        self.at = self.stack.join("/");
        self.text.clear();
        Ok(Item::Start(attributes))
    }
}

enum Step {
    On,
    Start(String, Vec<(String, String)>),
    End,
    Eof,
}

fn take(event: Event<'_>, text: &mut String) -> Result<Step, String> {
    match event {
        Event::Start(tag) | Event::Empty(tag) => {
            let mut attributes = Vec::new();
            for attribute in tag.attributes() {
                let attribute = attribute.map_err(|error| error.to_string())?;
                let value = attribute
                    .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                    .map_err(|error| error.to_string())?;
                attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
            }
            return Ok(Step::Start(tag.local_name().as_ref().to_owned(), attributes));
        }
        Event::End(_) => return Ok(Step::End),
        Event::Eof => return Ok(Step::Eof),
        Event::Text(part) => text.push_str(&part.xml10_content()),
        Event::CData(part) => text.push_str(&part.xml10_content()),
        Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(|error| error.to_string())? {
            Some(c) => text.push(c),
            None => text.push_str(
                resolve_predefined_entity(&entity).ok_or_else(|| format!("unknown entity &{};", &*entity))?,
            ),
        },
        Event::DocType(_) => return Err("document types are not allowed".to_owned()),
        Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
    }
    Ok(Step::On)
}
