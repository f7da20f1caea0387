//! The elements that tidying knows: under what name each is written and where it may stand.

/// How an element behaves among others; the part of HTML's tree construction that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Within a line.
    Inline,
    /// `a`: as `Inline`, but never within another.
    Link,
    /// Closes an open paragraph.
    Block,
    /// `p`.
    Paragraph,
    /// `h1` to `h6`.
    Heading,
    /// `ul` and `ol`.
    List,
    /// `li`.
    Item,
    /// `dt` and `dd`.
    Term,
    /// `table`.
    Table,
    /// `caption`.
    Caption,
    /// `colgroup`.
    Columns,
    /// `thead`, `tbody`, `tfoot`.
    Section,
    /// `tr`.
    Row,
    /// `td` and `th`.
    Cell,
}

/// An element as written by an author and as written by us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// Name in the source.
    pub(super) source: &'static str,
    /// Name in the result.
    pub(super) name: &'static str,
    /// Behaviour.
    pub(super) shape: Shape,
    /// Has no content and no end tag.
    pub(super) void: bool,
}

const fn element(name: &'static str, shape: Shape) -> Element {
    Element { source: name, name, shape, void: false }
}

const fn void(name: &'static str, shape: Shape) -> Element {
    Element { source: name, name, shape, void: true }
}

const fn renamed(source: &'static str, name: &'static str, shape: Shape) -> Element {
    Element { source, name, shape, void: false }
}

/// Sorted by source name.
const ELEMENTS: &[Element] = &[
    element("a", Shape::Link),
    element("abbr", Shape::Inline),
    renamed("acronym", "abbr", Shape::Inline),
    renamed("address", "div", Shape::Block),
    renamed("article", "div", Shape::Block),
    renamed("aside", "div", Shape::Block),
    element("b", Shape::Inline),
    element("bdi", Shape::Inline),
    element("bdo", Shape::Inline),
    renamed("big", "span", Shape::Inline),
    element("blockquote", Shape::Block),
    void("br", Shape::Inline),
    element("caption", Shape::Caption),
    renamed("center", "div", Shape::Block),
    element("cite", Shape::Inline),
    element("code", Shape::Inline),
    void("col", Shape::Columns),
    element("colgroup", Shape::Columns),
    element("dd", Shape::Term),
    element("del", Shape::Inline),
    element("details", Shape::Block),
    element("dfn", Shape::Inline),
    element("div", Shape::Block),
    element("dl", Shape::Block),
    element("dt", Shape::Term),
    element("em", Shape::Inline),
    element("figcaption", Shape::Block),
    element("figure", Shape::Block),
    renamed("font", "span", Shape::Inline),
    renamed("footer", "div", Shape::Block),
    element("h1", Shape::Heading),
    element("h2", Shape::Heading),
    element("h3", Shape::Heading),
    element("h4", Shape::Heading),
    element("h5", Shape::Heading),
    element("h6", Shape::Heading),
    renamed("header", "div", Shape::Block),
    void("hr", Shape::Block),
    element("i", Shape::Inline),
    void("img", Shape::Inline),
    void("input", Shape::Inline),
    element("ins", Shape::Inline),
    element("kbd", Shape::Inline),
    element("li", Shape::Item),
    renamed("main", "div", Shape::Block),
    element("mark", Shape::Inline),
    renamed("nav", "div", Shape::Block),
    element("ol", Shape::List),
    element("p", Shape::Paragraph),
    element("pre", Shape::Block),
    element("q", Shape::Inline),
    element("rp", Shape::Inline),
    element("rt", Shape::Inline),
    element("ruby", Shape::Inline),
    element("s", Shape::Inline),
    element("samp", Shape::Inline),
    element("section", Shape::Block),
    element("small", Shape::Inline),
    element("span", Shape::Inline),
    renamed("strike", "s", Shape::Inline),
    element("strong", Shape::Inline),
    element("sub", Shape::Inline),
    element("summary", Shape::Block),
    element("sup", Shape::Inline),
    element("table", Shape::Table),
    element("tbody", Shape::Section),
    element("td", Shape::Cell),
    element("tfoot", Shape::Section),
    element("th", Shape::Cell),
    element("thead", Shape::Section),
    element("time", Shape::Inline),
    element("tr", Shape::Row),
    element("tt", Shape::Inline),
    element("u", Shape::Inline),
    element("ul", Shape::List),
    element("var", Shape::Inline),
    void("wbr", Shape::Inline),
];

/// The row of an implied table.
pub(super) const ROW: Element = element("tr", Shape::Row);
/// The cell of an implied row.
pub(super) const CELL: Element = element("td", Shape::Cell);
/// The link that stands for what is not embedded.
pub(super) const LINK: Element = element("a", Shape::Link);

/// The element called `name` (lower case) in a source; `None` for those whose tags are dropped.
pub(super) fn known(name: &str) -> Option<Element> {
    ELEMENTS.binary_search_by(|element| element.source.cmp(name)).ok().map(|at| ELEMENTS[at])
}

/// Whether `name` is left out with all it contains.
pub(super) fn is_dropped_whole(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "template"
            | "noembed"
            | "noframes"
            | "iframe"
            | "title"
            | "svg"
            | "math"
            | "select"
            | "object"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_sorted_and_found() {
        assert!(ELEMENTS.is_sorted_by(|a, b| a.source < b.source));
        assert_eq!(known("strike").map(|element| element.name), Some("s"));
        assert!(known("form").is_none());
    }
}
