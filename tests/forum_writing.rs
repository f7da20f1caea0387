//! Writing for the forum by pages without scripts: topics, replies, quotations, edits, previews, drafts, and that nobody
//! loses a text.

use super::harness::browser::{Browser, Form, form_in};
use super::harness::town::{Town, answer, open_topic, post_id, topic_id};

/// Presses another button of a form than the one that sends it.
fn with(form: &Form, button: &str) -> Form {
    Form { action: form.action.clone(), fields: form.fields.clone() }.set(button, "1")
}

fn copy(form: &Form) -> Form {
    Form { action: form.action.clone(), fields: form.fields.clone() }
}

#[test]
fn a_topic_is_opened_once_and_faults_leave_what_was_typed() {
    let mut town = Town::found();
    let new = format!("/new-topic/{}", town.open);
    assert!(!town.guest.get("/latest").text().contains("/new-topic"), "guests are not offered it");
    for page in ["/", "/latest"] {
        assert!(town.mia.get(page).text().contains("href=\"/new-topic\""), "{page}");
    }
    let list = town.mia.get("/new-topic");
    assert!(list.text().contains(&format!("href=\"{new}\"")) && !list.text().contains("Backroom"));
    assert!(town.gil.get("/new-topic").text().contains("Backroom"));
    let lured = town.guest.send("GET", &new, &[], b"");
    assert_eq!(
        (lured.status, lured.header("location")),
        (303, Some(&*format!("/login?next=%2Fnew-topic%2F{}", town.open)))
    );

    let form = town.mia.form(&new, &new);
    for (title, body, field, said) in [
        (" ", "Words", "title", "Title is empty."),
        (&"x".repeat(256), "Words", "title", "Title is too long"),
        ("A title", " \n", "body", "Text is empty."),
    ] {
        let page = town.mia.submit(&copy(&form).set("title", title).set("body", body));
        assert_eq!(page.status, 422, "{title:?} {body:?}");
        assert!(page.text().contains(said) && page.text().contains(&format!("id=\"{field}-fault\"")));
        let again = form_in(page.text(), &new).unwrap();
        assert_eq!((again.get("title"), again.get("body")), (Some(title), Some(body)));
    }
    let filled = copy(&form)
        .set("title", "Whose is the <ladder>?")
        .set("body", "It *stands* in the way.\n\n<script>alert(1)</script>");
    let preview = town.mia.submit(&with(&filled, "preview"));
    assert_eq!(preview.status, 200);
    assert!(preview.text().contains("It <em>stands</em>") && !preview.text().contains("<script>alert"));
    let again = form_in(preview.text(), &new).unwrap();
    assert_eq!((again.get("title"), again.get("body")), (filled.get("title"), filled.get("body")));
    assert_eq!(
        town.number("SELECT count(*) FROM topics WHERE title LIKE 'Whose%'"),
        0,
        "a preview posts nothing"
    );

    let sent: Vec<_> = (0..3).map(|_| town.mia.submit(&filled)).collect();
    let location = sent[0].header("location").unwrap().to_owned();
    assert!(sent.iter().all(|reply| reply.status == 303 && reply.header("location") == Some(&location)));
    assert_eq!(
        town.number("SELECT count(*) FROM topics WHERE title LIKE 'Whose%'"),
        1,
        "sent three times, posted once"
    );
    let page = town.guest.get(&location);
    assert!(
        page.text().contains("Whose is the &#60;ladder&#62;?") && page.text().contains("<em>stands</em>")
    );
    // Out of the browser's memory, and filled in anew: another topic.
    let other = town.mia.submit(&copy(&filled).set("title", "Whose is the hammer?"));
    assert!(other.status == 303 && other.header("location") != Some(&location));
}

#[test]
fn a_reply_answers_a_topic_or_a_post_and_quotes_it() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First *line*.\n\nSecond line.");
    let topic = topic_id(&path);
    // Members write at the end of the topic's own page; guests are told how they could.
    let guest = town.guest.get(&path);
    assert!(guest.text().contains("Log in to reply") && !guest.text().contains("<textarea"));
    assert!(!guest.text().contains("/edit") && !guest.text().contains("/report"));
    let form = town.otto.form(&path, &format!("/reply/{topic}")).set("body", "Mine.");
    let sent: Vec<_> = (0..2).map(|_| town.otto.submit(&form)).collect();
    assert!(sent.iter().all(|reply| reply.header("location") == Some(&*format!("{path}#p2"))));
    assert_eq!(town.number(&format!("SELECT post_count FROM topics WHERE id = {topic}")), 2);

    let quoting = town.otto.get(&format!("/reply/{topic}?to=1&quote=1"));
    assert!(quoting.text().contains("You answer"));
    let form = form_in(quoting.text(), &format!("/reply/{topic}")).unwrap();
    let quoted = format!("> [mia]({path}/1):\n>\n> First *line*.\n> \n> Second line.\n\n");
    assert_eq!((form.get("to"), form.get("body")), (Some("1"), Some(&*quoted)));
    let form = form.set("body", &format!("{quoted}So it is."));
    assert_eq!(town.otto.submit(&form).header("location"), Some(&*format!("{path}#p3")));
    let page = town.guest.get(&path);
    assert!(
        page.text().contains("in reply to #1") && page.text().contains("<blockquote>"),
        "{}",
        page.text()
    );
    // What is answered has to be there.
    for (to, status) in [("99", 404), ("x", 400), ("-1", 400)] {
        let page = town.otto.send("GET", &format!("/reply/{topic}?to={to}"), &[], b"");
        assert_eq!(page.status, status, "{to}");
    }
    // On a post's own page the form answers that post.
    let form = town.mia.form(&format!("{path}/3"), &format!("/reply/{topic}")).set("body", "Deeper.");
    assert_eq!(form.get("to"), Some("3"));
    town.mia.submit(&form);
    let depth = format!("SELECT depth FROM posts WHERE topic_id = {topic} AND number = 4");
    assert_eq!(town.number(&depth), 2);
    let empty = town.mia.submit(&form.set("body", ""));
    assert!(empty.status == 422 && empty.text().contains("Text is empty."));
}

#[test]
fn an_edit_keeps_every_version_and_a_late_one_sees_both_texts() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "One\nTwo\nThree");
    let post = post_id(&town, topic_id(&path), 1);
    let edit = format!("/posts/{post}/edit");
    assert!(town.mia.get(&path).text().contains(&edit) && town.mo.get(&path).text().contains(&edit));
    assert!(!town.otto.get(&path).text().contains(&edit), "it is not his");
    assert_eq!(town.otto.send("GET", &edit, &[], b"").status, 403);
    let history = format!("/posts/{post}/history");
    assert!(town.guest.get(&history).text().contains("It was not edited."));

    let mine = town.mia.form(&edit, &edit);
    assert_eq!(mine.get("body"), Some("One\nTwo\nThree"));
    let theirs =
        town.mo.form(&edit, &edit).set("body", "One\nTwo, said a moderator\nThree").set("comment", "clearer");
    assert_eq!(town.mo.submit(&theirs).header("location"), Some(&*format!("{path}#p1")));
    let mine = mine.set("body", "One\r\nTwo\r\nThree, said Mia").set("comment", "the end");
    let late = town.mia.submit(&mine);
    assert_eq!(late.status, 409);
    let text = late.text();
    assert!(text.contains("Two, said a moderator") && text.contains("Three, said Mia"), "both texts: {text}");
    assert!(
        text.contains("class=\"ins\"><td>+</td><td>Three, said Mia")
            && text.contains("class=\"del\"><td>−</td><td>Two, said a moderator")
    );
    let again = form_in(text, &edit).unwrap();
    assert_eq!((again.get("base"), again.get("comment")), (Some("2"), Some("the end")));
    assert!(again.get("body").unwrap().contains("Three, said Mia"));
    let both = again.set("body", "One\nTwo, said a moderator\nThree, said Mia");
    assert_eq!(town.mia.submit(&both).status, 303);
    assert!(town.guest.get(&path).text().contains(&history), "that it was edited is told");

    let list = town.guest.get(&history);
    for version in 1..=3 {
        assert!(list.text().contains(&format!("/posts/{post}/versions/{version}\"")), "{version}");
    }
    assert!(list.text().contains("<q>clearer</q>"));
    let second = town.guest.get(&format!("/posts/{post}/versions/2"));
    assert!(second.text().contains("said a moderator") && !second.text().contains("said Mia"));
    for (old, new) in [(1, 3), (3, 1)] {
        let diff = town.guest.get(&format!("/posts/{post}/diff?old={old}&new={new}"));
        assert!(diff.text().contains("<td>+</td><td>Three, said Mia"), "{}", diff.text());
        assert!(diff.text().contains("<td>−</td><td>Three</td>"));
    }
    for (address, status) in [
        (format!("/posts/{post}/versions/4"), 404),
        (format!("/posts/{post}/versions/x"), 400),
        (format!("/posts/{post}/diff?old=1"), 400),
        (format!("/posts/{post}/diff?old=1&new=9"), 404),
        ("/posts/999999/history".into(), 404),
    ] {
        assert_eq!(town.guest.send("GET", &address, &[], b"").status, status, "{address}");
    }
    let versions = town.guest.get(&format!("/api/posts/{post}/history?limit=2")).json();
    assert_eq!((&versions["versions"][0]["version"], &versions["next"]), (&3.into(), &"2".into()));
    let first = town.guest.get(&format!("/api/posts/{post}/versions/1")).json();
    assert_eq!(first["source"], "One\nTwo\nThree");
}

#[test]
fn a_draft_waits_where_it_was_written_and_ends_when_it_is_sent() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let (topic, new) = (topic_id(&path), format!("/new-topic/{}", town.other));
    let reply = format!("/reply/{topic}");
    let form = town.mia.form(&new, &new).set("title", "Half a title").set("body", "Half a text");
    assert_eq!(town.mia.submit(&with(&form, "draft")).header("location"), Some(&*format!("{new}?saved=1")));
    let page = town.mia.get(&format!("{new}?saved=1"));
    assert!(page.text().contains("Your draft is kept") && page.text().contains("Throw it away"));
    let form = form_in(page.text(), &new).unwrap();
    assert_eq!((form.get("title"), form.get("body")), (Some("Half a title"), Some("Half a text")));
    assert!(town.otto.form(&new, &new).get("body") == Some(""), "it is hers alone");

    // A reply with the post that it answers.
    let form = town.mia.form(&format!("{reply}?to=1"), &reply).set("body", "A long thought");
    town.mia.submit(&with(&form, "draft"));
    let drafts = town.mia.get("/drafts");
    assert!(drafts.text().contains("Half a title") && drafts.text().contains("A long thought"));
    let form = town.mia.form(&reply, &reply);
    assert_eq!((form.get("to"), form.get("body")), (Some("1"), Some("A long thought")));
    // The topic's own page is the same for all: it shows no draft, and takes none away.
    let quick = town.mia.form(&path, &reply).set("body", "Quickly");
    town.mia.submit(&with(&quick, "draft"));
    let form = town.mia.form(&reply, &reply);
    assert_eq!(form.get("body"), Some("A long thought\n\nQuickly"));
    assert_eq!(town.mia.submit(&copy(&quick).set("body", "Thanks")).status, 303);
    assert_eq!(town.mia.form(&reply, &reply).get("body"), Some("A long thought\n\nQuickly"));
    // Another page's form was sent with it: it is over.
    assert_eq!(town.mia.submit(&form).status, 303);
    assert_eq!(town.mia.form(&reply, &reply).get("body"), Some(""));

    // A quotation is put below what was written.
    let form = town.mia.form(&reply, &reply).set("body", "Wait.");
    town.mia.submit(&with(&form, "draft"));
    for _ in 0..2 {
        let form = town.mia.form(&format!("{reply}?to=1&quote=1"), &reply);
        let body = form.get("body").unwrap().to_owned();
        assert!(body.starts_with("Wait.\n\n> [mia]") && body.matches("First line.").count() == 1, "{body}");
        town.mia.submit(&with(&form, "draft"));
    }
    let forget = town.mia.form(&reply, "/drafts/forget");
    assert_eq!(town.mia.submit(&forget).status, 303);
    assert_eq!(town.mia.form(&reply, &reply).get("body"), Some(""));

    // An edit goes on from the version that it began with.
    let post = post_id(&town, topic, 1);
    let edit = format!("/posts/{post}/edit");
    let form = town.mia.form(&edit, &edit).set("body", "First line, better").set("comment", "better");
    town.mia.submit(&with(&form, "draft"));
    let other = town.mo.form(&edit, &edit).set("body", "A moderator's line");
    town.mo.submit(&other);
    let form = town.mia.form(&edit, &edit);
    assert_eq!((form.get("base"), form.get("comment")), (Some("1"), Some("better")));
    assert_eq!(town.mia.submit(&form).status, 409);
    // An empty one is none.
    let form = town.mia.form(&new, &new).set("title", "").set("body", " ");
    town.mia.submit(&with(&form, "draft"));
    assert!(!town.mia.get("/drafts").text().contains("Half a title"));
}

#[test]
fn whoever_is_logged_out_meanwhile_loses_nothing() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let topic = topic_id(&path);
    let reply = format!("/reply/{topic}");
    let text = "A long thought with \"quotes\" & <angles>\nand a second line";
    let form = town.otto.form(&format!("{reply}?to=1"), &reply).set("body", text);
    // Logged out in another tab.
    let mut tab = town.otto.copy();
    let out = form_in(tab.get("/latest").text(), "/logout").unwrap();
    assert_eq!(tab.submit(&out).status, 303);
    let shown = town.otto.submit(&form);
    assert_eq!(shown.status, 401);
    assert!(
        shown.text().contains("You are not logged in any more") && shown.text().contains("href=\"/login\"")
    );
    let kept = form_in(shown.text(), &reply).unwrap();
    assert_eq!((kept.get("body"), kept.get("to"), kept.get("key")), (Some(text), Some("1"), form.get("key")));
    // Not yet logged in: the same again.
    assert_eq!(town.otto.submit(&kept).status, 401);
    assert_eq!(town.otto.log_in("otto", "several unusual words").status, 303);
    // The page was loaded before: it is shown once more with what the new session's forms hold.
    let stale = town.otto.submit(&kept);
    assert_eq!(stale.status, 403);
    assert!(stale.text().contains("Please send it once more"));
    let fresh = form_in(stale.text(), &reply).unwrap();
    assert_eq!(fresh.get("body"), Some(text));
    for _ in 0..2 {
        assert_eq!(town.otto.submit(&fresh).header("location"), Some(&*format!("{path}#p2")));
    }
    assert_eq!(town.number(&format!("SELECT post_count FROM topics WHERE id = {topic}")), 2);
    // Of a form in which nobody writes nothing is kept, a password least of all.
    let form = town
        .otto
        .form("/account", "/account/password")
        .set("current", "my old secret")
        .set("password", "my new secret");
    let out = form_in(town.otto.get("/latest").text(), "/logout").unwrap();
    let mut tab = town.otto.copy();
    tab.submit(&out);
    let refused = town.otto.submit(&form);
    assert!(refused.status == 401 && !refused.text().contains("secret"), "{}", refused.text());
}

#[test]
fn whatever_refuses_a_text_gives_it_back() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let topic = topic_id(&path);
    let reply = format!("/reply/{topic}");
    let form = town.otto.form(&reply, &reply).set("body", "Too late, but not lost");
    let lock =
        super::harness::town::mark(&mut town.mo, &path, &format!("/topics/{topic}/edit"), "locked", "1");
    assert_eq!(lock.status, 303);
    let refused = town.otto.submit(&form);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("locked") && refused.text().contains("Too late, but not lost"));
    // A page of another site gets nothing, not even its own text.
    let body = b"csrf=x&body=planted";
    let foreign = ["Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"];
    let refused = town.otto.send("POST", &reply, &foreign, body);
    assert!(refused.status == 403 && !refused.text().contains("planted"));
    // A deleted post is not edited any more.
    let post = post_id(&town, topic, 1);
    let edit = format!("/posts/{post}/edit");
    let form = town.mo.form(&edit, &edit).set("body", "An edit of what is gone");
    let delete = format!("/posts/{post}/delete");
    super::harness::town::press(&mut town.admin, &delete, &delete);
    let refused = town.mo.submit(&form);
    assert!(refused.status == 404 && refused.text().contains("An edit of what is gone"));
}

#[test]
fn drafts_and_previews_do_not_use_up_what_an_account_may_write() {
    let mut town = Town::found();
    town.database()
        .execute("UPDATE users SET created_at = unixepoch() * 1000 WHERE name = 'mia'", [])
        .unwrap();
    let new = format!("/new-topic/{}", town.open);
    let form = town.mia.form(&new, &new).set("title", "Slowly").set("body", "Written");
    for round in 0..25 {
        let form = copy(&form).set("body", &format!("Written {round}"));
        let button = if round % 2 == 0 { "draft" } else { "preview" };
        assert!([200, 303].contains(&town.mia.submit(&with(&form, button)).status), "{round}");
    }
    assert_eq!(town.mia.form(&new, &new).get("body"), Some("Written 24"));
    let mut sent = 0;
    let refused = loop {
        let form = copy(&form).set("body", &format!("Topic {sent}"));
        let reply = town.mia.submit(&form);
        if reply.status != 303 {
            break reply;
        }
        sent += 1;
    };
    assert_eq!(refused.status, 429);
    assert!((8..=12).contains(&sent), "{sent} topics by a new account at once");
    assert!(refused.text().contains(&format!("Topic {sent}")), "and the text is there to be sent later");
}

#[test]
fn long_titles_and_deep_replies_have_pages() {
    let mut town = Town::found();
    let title = "Donaudampfschifffahrtsgesellschaft".repeat(7);
    let path = open_topic(&mut town.mia, town.open, &title, "First line.");
    let topic = topic_id(&path);
    for number in 1..60 {
        let reply = format!("/reply/{topic}");
        let browser: &mut Browser = if number % 2 == 0 { &mut town.mo } else { &mut town.admin };
        let form =
            browser.form(&format!("{reply}?to={number}"), &reply).set("body", &format!("Deeper {number}"));
        let location = browser.submit(&form).header("location").unwrap().to_owned();
        let page = browser.get(&location);
        assert!(page.status == 200 && page.text().contains(&format!("Deeper {number}")), "{location}");
    }
    answer(&mut town.mo, &path, "And one below the topic");
    assert!(town.guest.get(&path).text().contains("rel=\"next\""));
}
