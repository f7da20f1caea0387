//! Texts that run in careless pages, put wherever people can put text, and shown in a browser: with the pages' policy
//! (CSP), where none must even be refused by it, and without, where the sanitiser and the templates are alone.

use std::time::Instant;

use serde_json::{Value, json};

use super::super::harness::browser::Browser;
use super::super::harness::chromium::Chromium;
use super::super::harness::http::Reply;
use super::super::harness::server::Server;
use super::super::harness::{PATIENCE, real_data, rounds, seed};
use super::server;

mod forum;
mod people;
mod wiki;

/// Everyday runs try one text in so many: where a page shows many, where it shows one, and where one is shown by several.
const MANY: usize = 16;
const ONE: usize = 96;
const SEVERAL: usize = 192;
/// A token that is for everything.
const TOKEN: &str = "vt_of_the_test_of_texts";
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
    Place { name: "post", step: 4, put: forum::posts },
    Place { name: "topic title", step: ONE, put: forum::topic_titles },
    Place { name: "topic title in lists", step: MANY, put: forum::topic_lists },
    Place { name: "another topic title", step: SEVERAL, put: forum::renamed },
    Place { name: "version of a post", step: SEVERAL, put: forum::versions },
    Place { name: "draft, preview and quote", step: SEVERAL, put: forum::drafts },
    Place { name: "reply after the session is over", step: ONE, put: forum::shown_back },
    Place { name: "report", step: MANY, put: forum::reports },
    Place { name: "category", step: SEVERAL, put: forum::categories },
    Place { name: "wiki page", step: ONE, put: wiki::wiki_pages },
    Place { name: "wiki title", step: ONE, put: wiki::wiki_titles },
    Place { name: "wiki title of a move", step: SEVERAL, put: wiki::moves },
    Place { name: "comment of an edit", step: MANY, put: wiki::edit_comments },
    Place { name: "difference of pages", step: SEVERAL, put: wiki::differences },
    Place { name: "deleted page", step: ONE, put: wiki::deleted },
    Place { name: "picture", step: MANY, put: wiki::pictures },
    Place { name: "search", step: ONE, put: forum::searches },
    Place { name: "what search finds", step: MANY, put: forum::found },
    Place { name: "login", step: SEVERAL, put: people::logins },
    Place { name: "sign-up", step: ONE, put: people::sign_ups },
    Place { name: "forgotten password", step: ONE, put: people::forgotten },
    Place { name: "display name", step: ONE, put: people::display_names },
    Place { name: "token", step: MANY, put: people::tokens },
    Place { name: "invitation", step: MANY, put: people::invitations },
    Place { name: "group", step: SEVERAL, put: people::groups },
    Place { name: "administration", step: SEVERAL, put: people::administration },
    Place { name: "address that leads nowhere", step: SEVERAL, put: people::nowhere },
    Place { name: "problem of the API", step: ONE, put: people::problems },
    Place { name: "name of a browser", step: MANY, put: people::user_agents },
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
    let Some(payloads) = payloads("browser::xss::nothing_that_people_write_runs") else { return };
    let Some(mut chromium) = Chromium::start("browser::xss::nothing_that_people_write_runs") else { return };
    chromium.call("Runtime.addBinding", json!({"name": "ran"}));
    chromium.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": WATCH}));
    proves_itself(&mut chromium);
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    let token = all_powerful(&server);
    let administrator = server.administrator();
    let category = server.get("/api/forums").json()["categories"][0]["id"].as_i64().unwrap();
    let mut world = World { server, token, administrator, category };
    // Some places, while one writes them.
    let only = std::env::var("XSS").unwrap_or_default();
    let places = PLACES.iter().enumerate().filter(|(_, place)| place.name.contains(&only));
    let (seed, mut tried) = (seed(), 0);
    for (number, place) in places {
        let (started, step) = (Instant::now(), rounds(place.step, 1));
        let first = (number + seed) % step;
        let some: Vec<String> = payloads.iter().skip(first).step_by(step).cloned().collect();
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
        tried += 1;
    }
    assert!(tried > 0, "no place is called {only:?}");
}

/// A token of the administrator's for everything: the one that a demonstration prints is for less.
fn all_powerful(server: &Server) -> String {
    use sha2::{Digest, Sha256};
    let hash: [u8; 32] = Sha256::digest(TOKEN.as_bytes()).into();
    let db = rusqlite::Connection::open(server.data_dir.join("forums.db")).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    let sql = "INSERT INTO api_tokens (token_hash, user_id, name, created_at, scopes) \
               SELECT ?1, id, 'texts', 0, 31 FROM users WHERE name_key = 'admin'";
    assert_eq!(db.execute(sql, [hash]).unwrap(), 1);
    TOKEN.to_owned()
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
    /// For what takes too long, or nobody may do, by the server.
    fn database(&self) -> rusqlite::Connection {
        let db = rusqlite::Connection::open(self.server.data_dir.join("forums.db")).unwrap();
        db.busy_timeout(PATIENCE).unwrap();
        db
    }

    fn made(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let reply = self.server.change(&self.token, method, path, body);
        // What is no title, say, is refused; that somebody may not would leave a place untried.
        let said = reply.status < 500 && ![401, 403, 429].contains(&reply.status);
        assert!(said, "{method} {path} {body}: {} {}", reply.status, reply.text());
        let said = || if reply.body.is_empty() { Value::Null } else { reply.json() };
        (reply.status < 300).then(said)
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
