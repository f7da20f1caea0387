//! Texts that run in careless pages, put wherever people can put text, and shown in a browser: with the pages' policy
//! (CSP), where none must even be refused by it, and without, where the sanitiser and the templates are alone.

use std::time::Instant;

use serde_json::{Value, json};

use super::super::harness::browser::{Browser, escape};
use super::super::harness::chromium::Chromium;
use super::super::harness::http::Reply;
use super::super::harness::server::Server;
use super::super::harness::{real_data, rounds};
use super::server;

/// Everyday runs try one text in so many: where a page shows many, and where it shows one.
const MANY: usize = 4;
const ONE: usize = 16;
/// Posts of a topic on one page.
const POSTS: usize = 49;
/// Tells of itself whatever runs, before anything of the page does.
const WATCH: &str = r#"
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open', 'eval'])
  window[name] = (...given) => ran(name + ': ' + given.join(' '));
document.addEventListener('securitypolicyviolation', event =>
  ran('refused by ' + event.violatedDirective + ': ' + event.blockedURI + ' ' + event.sample));
"#;
/// What could run if it were clicked or waited for.
const COULD_RUN: &str = r#"[...document.querySelectorAll('*')].filter(e =>
  (e.localName === 'script' && !(e.src && new URL(e.src).pathname.startsWith('/static/')))
  || ['iframe', 'object', 'embed', 'base', 'applet', 'frame', 'style'].includes(e.localName)
  || (e.localName === 'meta' && e.httpEquiv)
  || [...e.attributes].some(a => a.name.startsWith('on') || a.name === 'srcdoc' || a.name === 'style'
     || /^[\s\x00-\x20]*(javascript|vbscript|data)\s*:/i.test(a.value) && ['href','src','action','formaction','xlink:href'].includes(a.name)
        && !(a.name === 'src' && e.localName === 'img'))
).map(e => e.outerHTML.slice(0, 300))"#;

/// Everybody who can put text somewhere.
struct World {
    server: Server,
    token: String,
    administrator: Browser,
    category: i64,
}

/// Where text is put: puts each payload there, and yields the pages that show it.
struct Place {
    name: &'static str,
    /// Everyday runs try one payload in so many there; all are tried with `VERITABLE_FULL`.
    step: usize,
    put: fn(&mut World, &[String]) -> Vec<Reply>,
}

/// To add a place is to add a line here.
const PLACES: &[Place] = &[
    Place { name: "post", step: 1, put: posts },
    Place { name: "topic title", step: ONE, put: topic_titles },
    Place { name: "topic title in lists", step: MANY, put: topic_lists },
    Place { name: "wiki page", step: ONE, put: wiki_pages },
    Place { name: "wiki title", step: ONE, put: wiki_titles },
    Place { name: "comment of an edit", step: MANY, put: edit_comments },
    Place { name: "search", step: ONE, put: searches },
    Place { name: "login", step: ONE, put: logins },
    Place { name: "sign-up", step: ONE, put: sign_ups },
    Place { name: "forgotten password", step: ONE, put: forgotten },
    Place { name: "address that leads nowhere", step: ONE, put: nowhere },
    Place { name: "problem of the API", step: ONE, put: problems },
    Place { name: "name of a browser", step: MANY, put: user_agents },
];

fn payloads(test: &str) -> Option<Vec<String>> {
    let read = |name: &str| -> Option<Value> {
        let path = real_data(test, &format!("xss/{name}"))?;
        Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    };
    let (pairs, naughty) = (read("dompurify-expect.json")?, read("blns.json")?);
    let pairs = pairs.as_array().unwrap().iter().map(|pair| pair["payload"].as_str().unwrap().to_owned());
    let naughty = naughty.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    Some(pairs.chain(naughty).filter(|text| !text.trim().is_empty()).collect())
}

#[test]
fn nothing_that_people_write_runs() {
    let Some(payloads) = payloads("nothing_that_people_write_runs") else { return };
    let Some(mut chromium) = Chromium::start("nothing_that_people_write_runs") else { return };
    chromium.call("Runtime.addBinding", json!({"name": "ran"}));
    chromium.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": WATCH}));
    proves_itself(&mut chromium);
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    let token = server.token();
    let administrator = server.administrator();
    let category = server.get("/api/forums").json()["categories"][0]["id"].as_i64().unwrap();
    let mut world = World { server, token, administrator, category };
    for (number, place) in PLACES.iter().enumerate() {
        let (started, step) = (Instant::now(), rounds(place.step, 1));
        let some: Vec<String> = payloads.iter().skip(number % step).step_by(step).cloned().collect();
        let pages = (place.put)(&mut world, &some);
        assert!(!pages.is_empty(), "{}: nothing is shown", place.name);
        for bypass in [false, true] {
            chromium.call("Page.setBypassCSP", json!({"enabled": bypass}));
            for page in &pages {
                chromium.show(page);
                let found = found(&mut chromium);
                assert!(found.is_empty(), "{}: {found:#?}\n{}", place.name, page.text());
            }
        }
        eprintln!("{}: {} texts, {} pages, {:?}", place.name, some.len(), pages.len(), started.elapsed());
    }
}

/// The watch sees what it is to see: a page that runs something is found out.
fn proves_itself(chromium: &mut Chromium) {
    let page = |body: &str, policy: &str| Reply {
        status: 200,
        headers: vec![
            ("content-type".into(), "text/html".into()),
            ("content-security-policy".into(), policy.into()),
        ],
        body: body.as_bytes().to_vec(),
    };
    for (body, policy) in [
        ("<script>alert(1)</script>", ""),
        ("<img src=x onerror=alert(1)>", ""),
        ("<script>alert(1)</script>", "default-src 'self'"),
        ("<a href='javascript:x()'>x</a>", "default-src 'self'"),
        ("<script>nothing.here()</script>", ""),
        ("<script>console.log(1)</script>", ""),
        ("<link rel=stylesheet href='http://elsewhere.example/x.css'>", ""),
    ] {
        chromium.show(&page(body, policy));
        assert!(!found(chromium).is_empty(), "{body} with {policy:?} was not seen");
    }
    chromium.show(&page(
        "<p>x</p><img src='http://elsewhere.example/x.png'>",
        "default-src 'self'; img-src http:",
    ));
    assert_eq!(found(chromium), Vec::<String>::new());
}

/// What ran, was refused, could run, or was loaded from elsewhere.
fn found(chromium: &mut Chromium) -> Vec<String> {
    let could = chromium.value(COULD_RUN);
    let mut found: Vec<String> =
        could.as_array().unwrap().iter().map(|html| format!("could run: {html}")).collect();
    for event in chromium.events() {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.bindingCalled" => found.push(params["payload"].to_string()),
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => {
                found.push(event.to_string());
            }
            "Log.entryAdded" => {
                let entry = &params["entry"];
                // That a picture elsewhere cannot be had, and hints to those who write forms.
                if entry["source"] != "network" && entry["source"] != "recommendation" {
                    found.push(entry.to_string());
                }
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                let here = url.starts_with("http://127.0.0.1") || url.starts_with("data:");
                if !here && params["type"] != "Image" {
                    found.push(format!("loads {url}"));
                }
            }
            _ => {}
        }
    }
    found
}

impl World {
    fn made(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let reply = self.server.change(&self.token, method, path, body);
        assert!(reply.status < 500, "{method} {path} {body}: {}", reply.text());
        (reply.status < 300).then(|| reply.json())
    }

    fn topic(&self, title: &str, body: &str) -> Option<Value> {
        let path = format!("/api/forums/{}/topics", self.category);
        self.made("POST", &path, &json!({"title": title, "body": body}))
    }

    fn pages(&mut self, first: &str) -> Vec<Reply> {
        let mut pages = vec![self.administrator.get(first)];
        while let Some(next) = next_page(pages.last().unwrap().text()) {
            pages.push(self.administrator.get(&next));
        }
        pages
    }
}

/// Where the next part of a list is.
fn next_page(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("<link rel=\"next\" href=\"")?;
    Some(rest.split_once('"')?.0.replace("&#38;", "&").replace("&amp;", "&"))
}

fn posts(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for some in payloads.chunks(POSTS) {
        let made = world.topic("Texts that run elsewhere", &some[0]).expect("a topic");
        let topic = made["topic"]["id"].clone();
        for body in &some[1..] {
            world.made("POST", &format!("/api/topics/{topic}/posts"), &json!({"body": body}));
        }
        pages.push(world.administrator.get(made["path"].as_str().unwrap()));
    }
    pages
}

fn topic_titles(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let paths: Vec<Value> = payloads.iter().filter_map(|title| world.topic(title, title)).collect();
    paths.iter().map(|made| world.administrator.get(made["path"].as_str().unwrap())).collect()
}

fn topic_lists(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    for title in payloads {
        world.topic(title, "x");
    }
    let mut pages = world.pages("/latest");
    pages.truncate(rounds(4, 100));
    pages.push(world.server.get("/"));
    pages
}

fn wiki_pages(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for (number, body) in payloads.iter().enumerate() {
        let page = json!({"title": format!("Text {number}"), "body": body});
        if let Some(made) = world.made("PUT", "/api/wiki/pages", &page) {
            pages.push(world.administrator.get(made["path"].as_str().unwrap()));
            let revision = made["revision"]["id"].to_string();
            pages.push(world.administrator.get(&format!("/wiki-revision/{revision}")));
        }
    }
    pages
}

fn wiki_titles(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for title in payloads {
        let page = json!({"title": title, "body": format!("See [[{title}]] and [[No page|{title}]].")});
        if let Some(made) = world.made("PUT", "/api/wiki/pages", &page) {
            let path = made["path"].as_str().unwrap().to_owned();
            pages.push(world.administrator.get(&path));
            pages.push(world.administrator.get(&format!("{path}?action=history")));
        }
    }
    pages.extend(world.pages("/wiki-all"));
    pages
}

fn edit_comments(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut base = Value::Null;
    for (number, comment) in payloads.iter().enumerate() {
        let page = json!({
            "title": "Commented", "body": format!("version {number}"), "comment": comment, "base_revision": base,
        });
        if let Some(made) = world.made("PUT", "/api/wiki/pages", &page) {
            base = made["revision"]["id"].clone();
        }
    }
    let mut pages = world.pages("/wiki/Commented?action=history");
    pages.extend(world.pages("/recent").into_iter().take(rounds(2, 100)));
    pages
}

fn searches(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    payloads.iter().map(|text| world.administrator.get(&format!("/search?q={}", escape(text)))).collect()
}

/// Sent under an address of its own, or the limit of one would be met.
fn submitted(world: &World, path: &str, number: usize, fields: &[(&str, &str)]) -> Reply {
    let mut browser = Browser::new(&world.server);
    let mut form = browser.form(path, path.split('?').next().unwrap());
    for (name, value) in fields {
        form = form.set(name, value);
    }
    browser.from = Some(format!("198.51.{}.{}", number / 250, number % 250));
    browser.submit(&form)
}

fn logins(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let fields = |text| [("user", text), ("password", "x"), ("next", text)];
    let mut pages: Vec<Reply> = payloads
        .iter()
        .enumerate()
        .map(|(number, text)| submitted(world, "/login", number, &fields(text)))
        .collect();
    let asked = |text| format!("/login?next={}&done={}", escape(text), escape(text));
    pages.extend(payloads.iter().map(|text| world.server.get(&asked(text))));
    pages
}

fn sign_ups(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let fields = |text| [("name", text), ("address", text), ("password", "short"), ("invitation", text)];
    let pages = payloads.iter().enumerate();
    pages.map(|(number, text)| submitted(world, "/signup", number, &fields(text))).collect()
}

fn forgotten(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let pages = payloads.iter().enumerate();
    pages.map(|(number, text)| submitted(world, "/forgot", number, &[("user", text)])).collect()
}

fn nowhere(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for text in payloads {
        for before in ["/", "/wiki/", "/u/", "/verify/", "/latest?before="] {
            pages.push(world.server.get(&format!("{before}{}", escape(text))));
        }
    }
    pages.retain(|page| !page.body.is_empty());
    pages
}

fn problems(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    payloads.iter().map(|text| world.server.get(&format!("/api/users/{}", escape(text)))).collect()
}

fn user_agents(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let password = world.server.password();
    let sendable =
        payloads.iter().filter(|text| text.len() < 200 && text.bytes().all(|b| (32..127).contains(&b)));
    // As many logins as one account may try at once.
    for text in sendable.filter(|text| text.contains('<')).take(8) {
        let mut browser = Browser::new(&world.server);
        browser.user_agent = Some(text.clone());
        assert_eq!(browser.log_in("admin", &password).status, 303, "{text}");
    }
    vec![world.administrator.get("/account")]
}
