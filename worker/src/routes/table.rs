//! The table of contents: every address this server answers, one line each.

use veritable_domain::account::Scope;

use super::{Cost, Endpoint, Form, Keep, Own, Read, Text, Upload, Who, Write};
use crate::openapi;

const POINT: Cost = Cost::Point;
const POOL: Cost = Cost::Pool;

/// What MediaWiki's addresses may ask for.
const OLD_WIKI: &[&str] = &["title", "oldid", "curid", "action", "diff", "redirect"];

const fn get(cost: Cost, query: &'static [&'static str], run: Read) -> Endpoint {
    Endpoint::Read { cost, keep: Keep::Usual, query, run }
}

/// What search finds: any change may change it, and to make it is dear.
const fn found(query: &'static [&'static str], run: Read) -> Endpoint {
    Endpoint::Read { cost: Cost::Pool, keep: Keep::Briefly, query, run }
}

const fn set(method: http::Method, scope: Scope, run: Write) -> Endpoint {
    Endpoint::Write { method, scope, run }
}

const fn own(who: Who, query: &'static [&'static str], run: Own) -> Endpoint {
    Endpoint::Own { who, scope: None, query, run }
}

const fn mine(who: Who, scope: Scope, query: &'static [&'static str], run: Own) -> Endpoint {
    Endpoint::Own { who, scope: Some(scope), query, run }
}

const fn form(who: Who, run: Form) -> Endpoint {
    Endpoint::Form { who, text: Text::None, run }
}

/// A form of members in which they write, with buttons for a preview and a draft.
const fn text(run: Form) -> Endpoint {
    Endpoint::Form { who: Who::Member, text: Text::Drafted, run }
}

/// The same without these buttons.
const fn short_text(run: Form) -> Endpoint {
    Endpoint::Form { who: Who::Member, text: Text::Short, run }
}

const fn upload(is_form: bool, run: Upload) -> Endpoint {
    Endpoint::Upload { is_form, run }
}

/// Every address with what answers it, in the router's syntax. An address may stand here once for
/// reading and once for each method that changes it.
pub fn table() -> Vec<(&'static str, Endpoint)> {
    use crate::handlers::accounts::{
        api as api_me, erasing, export, home, joining, login, passwords, second_factor, second_step, tokens,
    };
    use crate::handlers::admin::{api as api_admin, audit, categories, groups, invitations, overview, users};
    use crate::handlers::moderation::{posts, reports, topics};
    use crate::handlers::writing::{edit, history, new_topic, reply};
    use crate::handlers::{api_forum, api_posts, api_wiki, changes, drafts};
    use crate::handlers::{forum, old, search, topic, uploads, user, wiki};
    vec![
        // Pages.
        ("/", get(POINT, &[], forum::front)),
        ("/latest", get(POINT, &["before"], forum::latest)),
        ("/c/{slug}/{id}", get(POINT, &["before"], forum::category)),
        ("/t/{slug}/{id}", get(POINT, &["after"], topic::whole)),
        ("/t/{slug}/{id}/{number}", get(POINT, &["after"], topic::from_post)),
        ("/u/{name}", get(POINT, &["before"], user::profile)),
        ("/u/{name}/edits", get(POINT, &["before"], user::edits)),
        ("/wiki", get(POINT, &["from"], wiki::lists::index)),
        (
            "/wiki/{*title}",
            get(POINT, &["action", "before", "redirect", "from", "oldid", "diff", "section"], wiki::page),
        ),
        ("/wiki-edit/{*title}", own(Who::Member, &["section", "kept", "anew"], wiki::editing::page)),
        ("/wiki-edit/{*title}", text(wiki::editing::submit)),
        ("/wiki-move/{*title}", own(Who::Member, &[], wiki::moving::page)),
        ("/wiki-move/{*title}", short_text(wiki::moving::submit)),
        ("/wiki-links/{*title}", get(POINT, &["from"], wiki::backlinks::page)),
        ("/wiki-delete/{*title}", own(Who::Moderator, &[], wiki::keeping::delete_page)),
        ("/wiki-delete/{*title}", form(Who::Moderator, wiki::keeping::delete)),
        ("/wiki-protect/{*title}", own(Who::Moderator, &[], wiki::keeping::protect_page)),
        ("/wiki-protect/{*title}", form(Who::Moderator, wiki::keeping::protect)),
        ("/wiki-deleted", own(Who::Moderator, &["before"], wiki::keeping::deleted_pages)),
        ("/wiki-deleted/{id}", own(Who::Moderator, &[], wiki::keeping::deleted_page)),
        ("/wiki-deleted/{id}", form(Who::Moderator, wiki::keeping::restore)),
        ("/wiki-revert/{id}", own(Who::Member, &[], wiki::reverting::page)),
        ("/wiki-revert/{id}", form(Who::Member, wiki::reverting::submit)),
        ("/wiki-compare", get(POINT, &["old", "new"], wiki::revisions::compare)),
        ("/wiki-revision/{id}", get(POOL, &[], wiki::revisions::revision)),
        ("/wiki-diff/{old}/{new}", get(POOL, &[], wiki::revisions::difference)),
        ("/wiki-all", get(POOL, &["from"], wiki::lists::all)),
        ("/recent", get(POINT, &["before"], wiki::lists::recent)),
        ("/search", found(&["q", "in", "page"], search::page)),
        // Writing, and keeping order.
        ("/new-topic", own(Who::Member, &[], new_topic::categories)),
        ("/new-topic/{category}", own(Who::Member, &["saved"], new_topic::page)),
        ("/new-topic/{category}", text(new_topic::submit)),
        ("/reply/{topic}", own(Who::Member, &["to", "quote", "saved"], reply::page)),
        ("/reply/{topic}", text(reply::submit)),
        ("/posts/{id}/edit", own(Who::Member, &["saved"], edit::page)),
        ("/posts/{id}/edit", text(edit::submit)),
        ("/posts/{id}/history", get(POINT, &["before"], history::history)),
        ("/posts/{id}/versions/{version}", get(POOL, &[], history::shown)),
        ("/posts/{id}/diff", get(POOL, &["old", "new"], history::difference)),
        ("/posts/{id}/delete", own(Who::Member, &[], posts::delete_page)),
        ("/posts/{id}/delete", form(Who::Member, posts::delete)),
        ("/posts/{id}/restore", own(Who::Member, &[], posts::restore_page)),
        ("/posts/{id}/restore", form(Who::Member, posts::restore)),
        ("/posts/{id}/report", own(Who::Member, &[], posts::report_page)),
        ("/posts/{id}/report", short_text(posts::report)),
        ("/topics/{id}/edit", own(Who::Member, &[], topics::edit_page)),
        ("/topics/{id}/edit", short_text(topics::edit)),
        ("/topics/{id}/delete", own(Who::Member, &[], topics::delete_page)),
        ("/topics/{id}/delete", form(Who::Member, topics::delete)),
        ("/topics/{id}/restore", form(Who::Member, topics::restore)),
        ("/moderation", own(Who::Member, &["after", "done"], reports::open)),
        ("/moderation/handled", own(Who::Member, &["before"], reports::handled)),
        ("/moderation/deleted", own(Who::Member, &["before"], reports::deleted)),
        ("/moderation/posts/{id}", form(Who::Member, reports::handle)),
        // Accounts.
        ("/login", own(Who::Anyone, &["next", "done"], login::page)),
        ("/login", form(Who::Anyone, login::submit)),
        ("/login/code", form(Who::Anyone, second_step::submit)),
        ("/logout", form(Who::Anyone, login::out)),
        ("/signup", own(Who::Anyone, &["invitation"], joining::page)),
        ("/signup", form(Who::Anyone, joining::submit)),
        ("/verify/{secret}", own(Who::Anyone, &[], joining::verify_page)),
        ("/verify/{secret}", form(Who::Anyone, joining::verify)),
        ("/forgot", own(Who::Anyone, &[], passwords::forgot_page)),
        ("/forgot", form(Who::Anyone, passwords::forgot)),
        ("/reset/{secret}", own(Who::Anyone, &[], passwords::reset_page)),
        ("/reset/{secret}", form(Who::Anyone, passwords::reset)),
        ("/account", own(Who::Member, &["done"], home::page)),
        ("/account/name", form(Who::Member, home::display_name)),
        ("/account/address", form(Who::Member, home::address)),
        ("/account/password", form(Who::Member, passwords::change)),
        ("/account/sessions/end", form(Who::Member, home::end_session)),
        ("/account/sessions/end-others", form(Who::Member, home::end_sessions)),
        ("/account/second-factor", own(Who::Member, &[], second_factor::page)),
        ("/account/second-factor/begin", form(Who::Member, second_factor::begin)),
        ("/account/second-factor/confirm", form(Who::Member, second_factor::confirm)),
        ("/account/second-factor/codes", form(Who::Member, second_factor::renew_codes)),
        ("/account/second-factor/end", form(Who::Member, second_factor::end)),
        ("/account/tokens", own(Who::Member, &["done"], tokens::page)),
        ("/account/tokens", form(Who::Member, tokens::create)),
        ("/account/tokens/revoke", form(Who::Member, tokens::revoke)),
        ("/account/data", own(Who::Member, &[], export::page)),
        ("/account/data/download", own(Who::Member, &[], export::download)),
        ("/account/delete", own(Who::Member, &[], erasing::page)),
        ("/account/delete", form(Who::Member, erasing::submit)),
        ("/drafts", own(Who::Member, &[], drafts::list)),
        ("/drafts/forget", form(Who::Member, drafts::forget)),
        // Administration.
        ("/invitations", own(Who::Moderator, &["before", "done"], invitations::page)),
        ("/invitations", form(Who::Moderator, invitations::create)),
        ("/invitations/revoke", form(Who::Moderator, invitations::revoke)),
        ("/admin", own(Who::Administrator, &[], overview::page)),
        ("/admin/approvals", own(Who::Administrator, &["done"], users::approvals)),
        ("/admin/users", own(Who::Administrator, &["q", "which", "before", "done"], users::list)),
        ("/admin/users/{id}", own(Who::Administrator, &["done"], users::page)),
        ("/admin/users/{id}/{deed}", form(Who::Administrator, users::act)),
        ("/admin/groups", own(Who::Administrator, &["done"], groups::list)),
        ("/admin/groups", form(Who::Administrator, groups::create)),
        ("/admin/groups/{id}", own(Who::Administrator, &["done"], groups::page)),
        ("/admin/groups/{id}/{deed}", form(Who::Administrator, groups::act)),
        ("/admin/categories", own(Who::Administrator, &["done"], categories::list)),
        ("/admin/categories", form(Who::Administrator, categories::create)),
        ("/admin/categories/{id}", own(Who::Administrator, &[], categories::page)),
        ("/admin/categories/{id}/{deed}", form(Who::Administrator, categories::act)),
        ("/admin/audit", own(Who::Administrator, &["actor", "deed", "object", "before"], audit::page)),
        // Pictures; each is at /uploads/{hash}.{png,jpg,gif,webp} (http/upload.rs).
        ("/uploads", own(Who::Member, &["done", "before"], uploads::page)),
        ("/uploads", upload(true, uploads::submit)),
        ("/uploads/remove", form(Who::Member, uploads::remove)),
        // Old addresses and machines.
        ("/t/{id}", get(POINT, &[], topic::by_id)),
        ("/c/{parent}/{slug}/{id}", get(POINT, &[], forum::category)),
        ("/categories", get(POINT, &[], old::categories)),
        ("/users/{name}", get(POINT, &[], old::profile)),
        ("/u/{name}/{*part}", get(POINT, &[], old::profile)),
        ("/p/{id}", get(POINT, &[], topic::post_by_id)),
        ("/index.php", get(POINT, OLD_WIKI, old::index_php)),
        ("/w/index.php", get(POINT, OLD_WIKI, old::index_php)),
        ("/robots.txt", get(POINT, &[], old::robots)),
        // API.
        (openapi::PATH, get(POINT, &[], openapi::served)),
        ("/api/forums", get(POINT, &[], api_forum::categories)),
        ("/api/forums/topics", get(POINT, &["before", "limit"], api_forum::latest)),
        ("/api/forums/{id}/topics", get(POINT, &["before", "limit"], api_forum::topics)),
        ("/api/forums/{id}/topics", set(http::Method::POST, Scope::Write, changes::create_topic)),
        ("/api/forums/{id}/posts", get(POINT, &["before", "limit"], api_forum::category_posts)),
        ("/api/topics/{id}", get(POINT, &[], api_forum::topic)),
        ("/api/topics/{id}", set(http::Method::PATCH, Scope::Write, api_posts::change_topic)),
        ("/api/topics/{id}", set(http::Method::DELETE, Scope::Moderate, api_posts::delete_topic)),
        ("/api/topics/{id}/restore", set(http::Method::POST, Scope::Moderate, api_posts::restore_topic)),
        ("/api/topics/{id}/posts", get(POINT, &["after", "limit"], api_forum::posts)),
        ("/api/topics/{id}/posts", set(http::Method::POST, Scope::Write, changes::reply)),
        ("/api/posts/{id}", get(POINT, &[], api_forum::post)),
        ("/api/posts/{id}", set(http::Method::PATCH, Scope::Write, changes::edit_post)),
        ("/api/posts/{id}", set(http::Method::DELETE, Scope::Write, api_posts::delete_post)),
        ("/api/posts/{id}/restore", set(http::Method::POST, Scope::Write, api_posts::restore_post)),
        ("/api/posts/{id}/history", get(POINT, &["before", "limit"], history::api_history)),
        ("/api/posts/{id}/versions/{version}", get(POINT, &[], history::api_version)),
        ("/api/posts/{id}/reports", set(http::Method::POST, Scope::Write, api_posts::report)),
        ("/api/moderation/reports", get(POINT, &["state", "after", "before", "limit"], reports::api)),
        ("/api/moderation/posts/{id}", set(http::Method::POST, Scope::Moderate, api_posts::handle_reports)),
        ("/api/wiki/pages", get(POINT, &["from", "limit"], api_wiki::pages)),
        ("/api/wiki/pages", set(http::Method::PUT, Scope::Write, wiki::api::save_page)),
        ("/api/wiki/pages/{id}", get(POINT, &[], api_wiki::page)),
        ("/api/wiki/pages/{id}", set(http::Method::DELETE, Scope::Moderate, wiki::api::delete)),
        ("/api/wiki/pages/{id}/move", set(http::Method::POST, Scope::Write, wiki::api::move_page)),
        ("/api/wiki/pages/{id}/revert", set(http::Method::POST, Scope::Write, wiki::api::revert)),
        ("/api/wiki/pages/{id}/restore", set(http::Method::POST, Scope::Moderate, wiki::api::restore)),
        ("/api/wiki/pages/{id}/protection", set(http::Method::PUT, Scope::Moderate, wiki::api::protect)),
        ("/api/wiki/pages/{id}/links", get(POINT, &["from", "limit"], wiki::api::links)),
        ("/api/wiki/pages/{id}/history", get(POINT, &["before", "limit"], api_wiki::history)),
        ("/api/wiki/revisions/{id}", get(POINT, &[], api_wiki::revision)),
        ("/api/wiki/diff/{old}/{new}", get(POOL, &[], wiki::api::difference)),
        ("/api/wiki/changes", get(POINT, &["before", "limit"], api_wiki::changes)),
        ("/api/uploads", upload(false, uploads::store)),
        ("/api/uploads/{name}", set(http::Method::DELETE, Scope::Write, uploads::api_remove)),
        ("/api/users/{name}", get(POINT, &[], api_forum::user)),
        ("/api/users/{name}/edits", get(POINT, &["before", "limit"], api_wiki::user_edits)),
        ("/api/users/{name}/posts", get(POINT, &["before", "limit"], api_forum::user_posts)),
        ("/api/me", mine(Who::Member, Scope::Read, &[], api_me::me)),
        ("/api/me", set(http::Method::PATCH, Scope::Account, api_me::change)),
        ("/api/me/sessions", mine(Who::Member, Scope::Account, &[], api_me::sessions)),
        ("/api/me/sessions/{id}", set(http::Method::DELETE, Scope::Account, api_me::end_session)),
        ("/api/me/tokens", mine(Who::Member, Scope::Account, &[], api_me::tokens)),
        ("/api/me/tokens", set(http::Method::POST, Scope::Account, api_me::create_token)),
        ("/api/me/tokens/{id}", set(http::Method::DELETE, Scope::Account, api_me::revoke_token)),
        (
            "/api/admin/users",
            mine(Who::Administrator, Scope::Administer, &["q", "which", "before"], api_admin::users),
        ),
        ("/api/admin/users/{id}", mine(Who::Administrator, Scope::Administer, &[], api_admin::user)),
        ("/api/admin/users/{id}", set(http::Method::PATCH, Scope::Administer, api_admin::change_user)),
        ("/api/admin/users/{id}", set(http::Method::DELETE, Scope::Administer, api_admin::erase_user)),
        ("/api/admin/groups", mine(Who::Administrator, Scope::Administer, &[], api_admin::groups)),
        (
            "/api/admin/audit",
            mine(
                Who::Administrator,
                Scope::Administer,
                &["actor", "deed", "object", "before"],
                api_admin::audit,
            ),
        ),
        ("/api/search", found(&["q", "in", "after", "limit"], search::api)),
    ]
}
