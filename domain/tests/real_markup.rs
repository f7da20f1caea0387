//! Every post and page of the real communities renders to something safe.

#[path = "common/dangers.rs"]
mod html;
#[path = "../../tests/harness/skip.rs"]
mod skip;

use std::io::{BufRead, BufReader, Read};

use html::dangers;
use skip::real_data;
use veritable_domain::content::Format;
use veritable_domain::markup::{
    Namespace, Namespaces, RenderContext, Role, headings, render, replace_section, sections,
};

#[test]
fn every_real_post_renders_safely() {
    let Some(path) = real_data("every_real_post_renders_safely", "discourse-urho3d/topics.jsonl.gz") else {
        return;
    };
    let namespaces = Namespaces::default();
    let base = Some("https://discourse.urho3d.io");
    let context = RenderContext { old_base: base, ..RenderContext::post(&namespaces) };
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap())).lines();
    let (mut posts, mut spent, mut mentions) = (0, std::time::Duration::ZERO, 0);
    for line in lines {
        let topic: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        for post in topic["posts"].as_array().unwrap() {
            let cooked = post["cooked"].as_str().unwrap();
            let started = std::time::Instant::now();
            let rendered = render(Format::Html, cooked, &context);
            spent += started.elapsed();
            posts += 1;
            mentions += rendered.mentions.len();
            assert_eq!(dangers(&rendered.html), Vec::<String>::new(), "post {}", post["id"]);
        }
    }
    eprintln!("{posts} posts, {mentions} mentions, rendered in {spent:?}");
    assert_eq!(posts, 36_990);
    assert!(mentions > 1_500);
}

fn latgalian() -> Namespaces {
    let named = [
        ("Kategoreja", "Category", Role::Category),
        ("Fails", "File", Role::File),
        ("Taiss", "Template", Role::Template),
        ("Lītuotuojs", "User", Role::User),
        ("Vikipedeja", "Project", Role::Ordinary),
        ("Modulis", "Module", Role::Ordinary),
    ];
    Namespaces::new(
        named.iter().map(|(name, alias, role)| Namespace::new(name, alias, true, *role)).collect(),
        true,
    )
}

#[test]
fn every_real_wiki_page_renders_safely() {
    let file = "mediawiki-smallwiki/smallwiki-latest-pages-articles.xml";
    let Some(path) = real_data("every_real_wiki_page_renders_safely", file) else { return };
    let mut xml = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut xml).unwrap();
    let namespaces = latgalian();
    let (mut pages, mut redirects, mut categories, mut links) = (0, 0, 0, 0);
    let (mut sections_seen, mut sections_shown) = (0, 0);
    for page in xml.split("<page>").skip(1) {
        pages += 1;
        let Some((_, text)) = page.split_once("<text xml:space=\"preserve\">") else { continue };
        let text = text.split("</text>").next().unwrap();
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        let rendered = render(Format::Wikitext, &text, &RenderContext::page(&namespaces, "X"));
        assert_eq!(
            dangers(&rendered.html),
            Vec::<String>::new(),
            "{}",
            &page[..page.floor_char_boundary(80)]
        );
        assert!(!rendered.html.contains('\u{7F}'), "{}", rendered.html);
        let context = RenderContext::page(&namespaces, "X");
        let shown: Vec<String> = headings(&rendered.html).into_iter().map(|heading| heading.id).collect();
        for section in sections(Format::Wikitext, &text, &context) {
            let own = &text[section.range.clone()];
            assert_eq!(
                replace_section(Format::Wikitext, &text, section.number, own, &context),
                Ok(text.clone())
            );
            if section.number > 0 {
                sections_seen += 1;
                sections_shown += usize::from(shown.contains(&section.id));
            }
        }
        redirects += usize::from(rendered.redirect.is_some());
        categories += rendered.categories.len();
        links += rendered.links.len();
    }
    eprintln!("{pages} pages, {redirects} redirects, {categories} categories, {links} links");
    eprintln!("{sections_seen} sections, {sections_shown} of them linked to by their headings");
    assert_eq!(sections_seen, sections_shown);
    assert!(sections_seen > 1_000, "{sections_seen}");
    assert_eq!((pages, redirects), (2_004, 195));
}
