//! An independent reading of rendered HTML: what in it could act.

use lol_html::{HtmlRewriter, Settings, element};

const FORBIDDEN: &[&str] = &[
    "script", "style", "iframe", "frame", "object", "embed", "applet", "form", "base", "meta", "link", "svg",
    "math", "video", "audio", "source", "template", "button", "select", "textarea", "noscript", "title",
    "body", "html",
];

/// What could act in `html`, as another parser than the sanitiser's reads it.
pub(crate) fn dangers(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let handler = element!("*", |element| {
        let name = element.tag_name();
        if FORBIDDEN.contains(&name.as_str()) {
            found.push(format!("<{name}>"));
        }
        for attribute in element.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            if is_dangerous(&key, &value) {
                found.push(format!("<{name} {key}={value:?}>"));
            }
        }
        Ok(())
    });
    let settings = Settings::new().with_strict(false).append_element_content_handler(handler);
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(html.as_bytes()).expect("readable");
    rewriter.end().expect("ended");
    found
}

fn is_dangerous(key: &str, value: &str) -> bool {
    let bare: String = value.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let bare = bare.replace("&colon;", ":").replace("&#58;", ":").to_lowercase();
    match key {
        "id" => !value.starts_with("s-"),
        "style" | "name" | "srcdoc" | "srcset" | "action" | "formaction" | "target" | "xmlns" => true,
        "href" | "src" | "cite" => {
            let scheme = bare.split(['/', '?', '#']).next().unwrap_or_default();
            scheme.contains(':')
                && !["http:", "https:", "mailto:"].iter().any(|known| scheme.starts_with(known))
        }
        _ => key.starts_with("on") || key.contains(':'),
    }
}
