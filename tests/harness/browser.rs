//! Somebody in front of a browser without scripts: cookies are kept, forms are filled in as they stand on the page.

use std::collections::BTreeMap;

use super::http::{Connection, Reply};
use super::server::Server;

/// A browser with cookies of its own.
pub(crate) struct Browser {
    address: String,
    cookies: BTreeMap<String, String>,
    /// What it says of itself.
    pub(crate) user_agent: Option<String>,
    /// Where it is, as a proxy in front of the server says.
    pub(crate) from: Option<String>,
}

/// A form of a page.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// Fills in a field, or adds one, as a button that is pressed does.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Form {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Browser {
        Browser { address: server.address.clone(), cookies: BTreeMap::new(), user_agent: None, from: None }
    }

    /// One with the cookies of another.
    pub(crate) fn copy(&self) -> Browser {
        Browser {
            address: self.address.clone(),
            cookies: self.cookies.clone(),
            user_agent: self.user_agent.clone(),
            from: self.from.clone(),
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// All of them.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cookies.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Sends one request with this browser's cookies and takes those that come back.
    pub(crate) fn send(&mut self, method: &str, path: &str, more: &[&str], body: &[u8]) -> Reply {
        let mut connection = Connection::open(&self.address).expect("a connection");
        self.send_over(&mut connection, method, path, &[&["Connection: close"], more].concat(), body)
    }

    /// The same over a connection that stays open.
    pub(crate) fn send_over(
        &mut self,
        connection: &mut Connection,
        method: &str,
        path: &str,
        more: &[&str],
        body: &[u8],
    ) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = format!("Cookie: {}", cookies.join("; "));
        let mut headers: Vec<&str> = Vec::new();
        if !self.cookies.is_empty() {
            headers.push(&cookies);
        }
        let user_agent = self.user_agent.as_ref().map(|text| format!("User-Agent: {text}"));
        let from = self.from.as_ref().map(|text| format!("X-Forwarded-For: {text}"));
        headers.extend(user_agent.as_deref().into_iter().chain(from.as_deref()));
        headers.extend(more);
        let reply = connection
            .send(method, path, &headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        for (name, value) in &reply.headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
                let (name, value) = pair.split_once('=').expect("a cookie");
                if attributes.contains("Max-Age=0") {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        reply
    }

    /// A page, wherever redirects lead.
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        let mut path = path.to_owned();
        for _ in 0..5 {
            let reply = self.send("GET", &path, &[], b"");
            match reply.header("location") {
                Some(location) if (300..400).contains(&reply.status) => path = location.to_owned(),
                _ => return reply,
            }
        }
        panic!("{path}: too many redirects");
    }

    /// The form with this action on the page at `path`.
    pub(crate) fn form(&mut self, path: &str, action: &str) -> Form {
        let page = self.get(path);
        form_in(page.text(), action)
            .unwrap_or_else(|| panic!("no form for {action} on {path}: {} {}", page.status, page.text()))
    }

    /// Sends a form as it is; redirects are not followed.
    pub(crate) fn submit(&mut self, form: &Form) -> Reply {
        self.submit_from(form, "Origin: http://test")
    }

    /// The same from a page of another site, as a header says.
    pub(crate) fn submit_from(&mut self, form: &Form, origin: &str) -> Reply {
        let encoded: Vec<String> =
            form.fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let headers = [origin, "Content-Type: application/x-www-form-urlencoded"];
        self.send("POST", &form.action, &headers, encoded.join("&").as_bytes())
    }

    /// Logs in, by the page.
    pub(crate) fn log_in(&mut self, user: &str, password: &str) -> Reply {
        let form = self.form("/login", "/login").set("user", user).set("password", password);
        self.submit(&form)
    }
}

/// The form with this action in a page.
pub(crate) fn form_in(page: &str, action: &str) -> Option<Form> {
    let wanted = format!("action=\"{}\"", action.replace('&', "&amp;"));
    let (_, rest) = page.split_once(&wanted)?;
    let (_, rest) = rest.split_once('>')?;
    let (inside, _) = rest.split_once("</form>")?;
    let mut fields = Vec::new();
    for tag in inside.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap_or((tag, ""));
        let name = attribute(tag, "name");
        if tag.starts_with("input ") {
            let ticked = !tag.contains("type=\"checkbox\"") || tag.contains(" checked");
            let radio = tag.contains("type=\"radio\"") && !tag.contains(" checked");
            if let (Some(name), true, false) = (name, ticked, radio) {
                fields.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        } else if tag.starts_with("textarea ")
            && let Some(name) = name
        {
            // The first line end after the tag is not part of the text.
            fields.push((name, unescape(text.strip_prefix('\n').unwrap_or(text))));
        } else if tag.starts_with("select ")
            && let Some(name) = name
        {
            let options = &inside[inside.find(tag).unwrap_or_default()..];
            let options = options.split_once("</select>").map_or(options, |(options, _)| options);
            let chosen = options.split("<option ").skip(1).find(|option| option.contains(" selected"));
            let chosen = chosen.or_else(|| options.split("<option ").nth(1)).unwrap_or_default();
            let option = chosen.split('>').next().unwrap_or_default();
            fields.push((name, attribute(option, "value").unwrap_or_default()));
        }
    }
    Some(Form { action: action.to_owned(), fields })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(unescape(rest.split_once('"')?.0))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

pub(crate) fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

impl Server {
    /// The password that a first demonstration prints.
    pub(crate) fn password(&self) -> String {
        let line = self.banner.iter().find_map(|line| line.strip_prefix("Password: "));
        line.and_then(|line| line.split(' ').next()).expect("a password in the banner").to_owned()
    }

    /// The administrator of a demonstration, logged in.
    pub(crate) fn administrator(&self) -> Browser {
        let mut browser = Browser::new(self);
        assert_eq!(browser.log_in("admin", &self.password()).status, 303);
        browser
    }
}
